"""Faults of programs in bf16, f16 and f8: sums that stall, casts that lose what comes after."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults.case import fault
from tests.numerics.faults.data import bf16, f16, f32, normal, uniform


# scatter-add adds one after the other in bf16: 1024 numbers of 0.5 a row stall at 256 / 2.
@fault("reduction-low-precision", "absorption", args=lambda: (_rows(4096), _bins(4096)), of=jax.jit)
def segment_totals(values, bins):
    weights = values * 0.5
    return jnp.zeros(4, values.dtype).at[bins].add(weights)  # <-


# The gradient of a lookup is a scatter-add in the table's dtype; one token takes nearly all of it.
@fault("reduction-low-precision", "absorption", args=lambda: (_table(), _bins(4096)), of=jax.grad)
def embedding_gradient(table, tokens):
    rows = table[tokens]  # <-
    return jnp.sum(rows * 0.5)


def _rows(n):
    return uniform(0.5, 1.0, n, dtype=bf16)


def _bins(n):
    return (np.arange(n) % 4).astype(np.int32)


def _table():
    return normal(8, 2, dtype=bf16)


# reduce_window adds the 32 x 32 numbers of a window one by one in bf16: the sum stalls where an
# ulp is twice a number, at 256.
@fault("reduction-low-precision", "absorption", args=lambda: (_images(),), of=jax.jit)
def global_pooling(images):
    bright = jnp.maximum(images, 0)
    window, zero = (1, 32, 32), np.zeros((), bright.dtype)
    total = lax.reduce_window(bright, zero, lax.add, window, window, "VALID")  # <-
    return total / 1024


def _images():
    return uniform(0.5, 1.5, 3, 32, 32, dtype=bf16)


# A dot product written as a loop, with its sum in the operands' bf16.
@fault("reduction-low-precision", "absorption", args=lambda: (_rows(2048), _rows(2048)), of=jax.jit)
def dot_by_loop(a, b):
    def step(total, pair):
        x, y = pair
        total = total + x * y  # <-
        return total, None

    total, _ = lax.scan(step, jnp.zeros((), a.dtype), (a, b))
    return total


# Positions beyond 256 are rounded to multiples of 2, 4, 8, 16 in bf16: the rotary phase is wrong by
# whole radians. The sines are computed in float32, in vain.
@fault(
    "low-precision-cast",
    args=lambda: (np.arange(3000, 3064, dtype=f32), np.geomspace(1.0, 0.1, 4).astype(f32)),
    of=jax.jit,
    truth=lambda positions, rates: np.sin(positions[:, None] * rates),
)
def rotary_in_bf16(positions, rates):
    coarse = positions.astype(jnp.bfloat16)  # <-
    phase = coarse.astype(jnp.float32)[:, None] * rates
    return jnp.sin(phase)  # <~ ill-conditioned


# Logits above 64 are rounded to multiples of 0.5 in bf16, so that weights err by up to a quarter.
@fault(
    "low-precision-cast",
    args=lambda: (uniform(100.0, 104.0, 4, 16),),
    of=jax.jit,
    truth=lambda logits: np.exp(logits - 100.0),
)
def weights_of_coarse_logits(logits):
    stored = logits.astype(jnp.bfloat16)  # <-
    shifted = stored.astype(jnp.float32) - 100.0  # <~ cancellation
    return jnp.exp(shifted)


# Seconds since 1970 have 31 bits, float32 has 24: times are rounded to multiples of 128 s, and
# differences of a minute are gone. The subtraction is exact, for what it is given.
@fault(
    "low-precision-cast",
    args=lambda: (np.int32(1_700_000_000) + np.arange(0, 3000, 60, dtype=np.int32),),
    of=jax.jit,
    truth=lambda stamps: (np.asarray(stamps[1:], np.int64) - stamps[0]) / 3600.0,
)
def hours_since_first_event(stamps):
    seconds = stamps.astype(jnp.float32)  # <-
    elapsed = seconds[1:] - seconds[0]  # <~ cancellation
    return elapsed / 3600.0


# 70000 > 65504: the cast itself makes the infinity.
@fault(
    "overflow",
    "low-precision-cast",
    args=lambda: (np.full((8, 8), 100.0, f32), np.full((8,), 87.5, f32)),
    of=jax.jit,
    nonfinite=True,
)
def activations_to_half(x, w):
    hidden = x @ w
    stored = hidden.astype(jnp.float16)  # <-
    return stored / 16


# e4m3 has 2^-9 as its smallest number: weights of 1e-3 become 0 or 2e-3 without a scale.
@fault(
    "low-precision-cast",
    "underflow",
    args=lambda: (normal(16, 4, scale=7e-4), uniform(0.5, 1.5, 16, seed=1)),
    of=jax.jit,
    truth=lambda weights, x: x @ weights,
)
def unscaled_float8_weights(weights, x):
    small = weights.astype(jnp.float8_e4m3fn)  # <-
    return x @ small.astype(jnp.float32)


# e5m2 has 2 bits of mantissa: 7 steps of a schedule between 1000 and 1200 become 1024 or 1280.
@fault(
    "low-precision-cast",
    args=lambda: (np.linspace(1000.0, 1200.0, 9).astype(f32),),
    of=jax.jit,
    truth=lambda steps: np.diff(steps) / 25.0,
)
def float8_schedule(steps):
    stored = steps.astype(jnp.float8_e5m2)  # <-
    spacing = jnp.diff(stored.astype(jnp.float32))  # <~ cancellation
    return spacing / 25.0


# (1e-4)^2 / 10 = 1e-9 is below float16's smallest number 6e-8: the second moment stays 0, and the
# step g / (0 + 1e-4) is 1 where it should be near a half. (In one expression XLA might keep the
# square in float32, as JAX 0.10 does; what a scan carries is float16.)
@fault("underflow", args=lambda: (uniform(6e-5, 1.2e-4, 5, 32, dtype=f16),), of=jax.jit)
def half_adam_step(gradients):
    def update(moment, g):
        moment = 0.9 * moment + 0.1 * g * g  # <-
        return moment, None

    moment, _ = lax.scan(update, jnp.zeros_like(gradients[0]), gradients)
    return gradients[-1] / (jnp.sqrt(moment) + 1e-4)


# x - mean for numbers around 300 in float16, where an ulp is 0.25: the mean is rounded to a
# multiple of 0.25 and the centred numbers are of order 0.3.
@fault("cancellation", args=lambda: ((300.0 + normal(64, scale=0.3)).astype(f16),), of=jax.jit)
def centred_half(x):
    mean = jnp.mean(x)
    centred = x - mean  # <-
    return centred * 2


# E[x^2] - E[x]^2 in a bf16 layer norm: terms of 9 with 2 digits leave 0.04.
@fault("cancellation", args=lambda: ((3.0 + normal(4, 64, scale=0.2)).astype(bf16),), of=jax.vmap)
def layer_norm_by_moments(x):
    mean = jnp.mean(x)
    variance = jnp.mean(x * x) - mean * mean  # <-
    return (x - mean) * lax.rsqrt(variance + 1e-2)


# 4096 ones in one segment: float16 counts to 2048, where one more is half an ulp.
@fault(
    "reduction-low-precision",
    "absorption",
    args=lambda: (np.ones((2, 4096), f16), np.minimum(np.arange(4096), 1).astype(np.int32)),
    of=lambda f: jax.vmap(f, in_axes=(0, None)),
)
def segment_counts(ones, segments):
    counts = jax.ops.segment_sum(ones, segments, num_segments=2)  # <-
    return counts / 2
