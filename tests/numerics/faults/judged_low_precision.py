"""The judge's faults in bf16 and f16 that stay finite."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults import judged_data as drawn
from tests.numerics.faults.case import fault
from tests.numerics.faults.data import bf16, f16, f32


# 100 and 120 have an ulp of 0.5, and the difference is 0.7.
@fault("cancellation", args=lambda: (_confident(), np.zeros(2, np.int32)))
def ce_lse_minus_logit_bf16(logits, label):
    norm = jax.nn.logsumexp(logits, axis=-1)  # <~ absorption
    picked = jnp.take_along_axis(logits, label[:, None], axis=-1)[:, 0]
    return jnp.mean(norm - picked)  # <-


def _confident():
    return np.array([[100] + [98] * 7, [120] + [118] * 7], bf16)


# A position of 2001 is a multiple of 8 in bf16.
@fault(
    "low-precision-cast",
    args=lambda: _positions(),
    truth=lambda x, pos, freq: x * np.cos(pos[:, None] * freq),
)
def rope_positions_bf16(x, pos, freq):
    ang = pos.astype(jnp.bfloat16)[:, None] * freq.astype(jnp.bfloat16)  # <-
    ang = ang.astype(jnp.float32)
    return x * jnp.cos(ang)  # <~ ill-conditioned


def _positions():
    positions = np.arange(2001, 2009).astype(np.int32)
    return drawn.ROTATED.astype(f32), positions, np.array([1.0, 0.31], f32)


# 8.01 and 8.02 are both 8 in bf16: the first of them wins.
@fault(
    "branch-divergence",
    args=lambda: (np.array([[8.01, 8.02, 1], [3, 5, 5.01]], f32), np.array([1, 4, 9], f32)),
    truth=lambda logits, experts: experts[np.argmax(logits, -1)] * 2,
)
def moe_argmax_bf16(logits, experts):
    score = logits.astype(jnp.bfloat16)  # <~ low-precision-cast
    pick = jnp.argmax(score, axis=-1)  # <-
    return experts[pick] * 2.0


# 400^2 > 65504: the mean square is inf and the output 0.
@fault("overflow", args=lambda: (_large(), np.ones(16, f16)))
def rmsnorm_f16_square_overflow(x, w):
    ms = jnp.mean(x * x, axis=-1, keepdims=True)  # <-
    return x * lax.rsqrt(ms + 1e-6) * w


def _large():
    return (400 * drawn.SIGNS * (1 + 0.3 * drawn.SIZES)).astype(f16)


# (1e-4)^2 is below half of the smallest f16, 6e-8. The judge returned the weights only: there JAX
# 0.10 keeps the square in float32 and is right. The state is stored in f16 everywhere.
@fault("underflow", args=lambda: (np.zeros(3, f16), _tiny(), f16(0.1)))
def rmsprop_f16_square_underflow(w, g, lr):
    v = g * g  # <-
    return w - lr * g / (jnp.sqrt(v) + 1e-4), v


def _tiny():
    return np.array([0.5e-4, 1e-4, 1.4e-4], f16)


# 1000 ones, one after the other, stall at 256.
@fault(
    "reduction-low-precision",
    "absorption",
    "error-accumulation",
    args=lambda: (np.ones(3000, bf16), (np.arange(3000) % 3).astype(np.int32)),
)
def segment_sum_bf16(w, dst):
    deg = jax.ops.segment_sum(w, dst, num_segments=3)  # <-
    return 1.0 / jnp.sqrt(deg)


# 1e-5 / 512 = 2e-8 is below the smallest f16, 6e-8.
@fault(
    "underflow",
    "low-precision-cast",
    args=lambda: ((1e-5 * drawn.SMALL_GRADIENT).astype(f32), f32(512.0)),
    truth=lambda g, scale: np.linalg.norm(g),
)
def f16_gradient_compression(g, scale):
    sent = (g / scale).astype(jnp.float16)  # <-
    return jnp.sqrt(jnp.sum((sent.astype(jnp.float32) * scale) ** 2))
