"""Functions whose output is no number: the line that made the first NaN or infinity."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults.case import fault
from tests.numerics.faults.data import f16, f32, normal, uniform


# exp(95) = 1.8e41 > 3.4e38: the exponential overflows, the logarithm of inf is inf.
@fault("overflow", args=lambda: (np.array([95.0, 94.0, 3.0], f32),), of=jax.jit, nonfinite=True)
def naive_logsumexp(logits):
    weights = jnp.exp(logits)  # <-
    total = jnp.sum(weights)
    return jnp.log(total)


# The NaN is inf / inf in the division, but the infinities are born in the exponential.
@fault("overflow", args=lambda: (normal(4, 8, scale=80.0),), of=jax.vmap, nonfinite=True)
def naive_softmax(logits):
    weights = jnp.exp(logits)  # <-
    total = weights.sum()
    return weights / total


# 300^2 = 9e4 > 65504: the square overflows in float16, whatever the sum accumulates in.
@fault("overflow", args=lambda: (np.full(8, 300.0, f16),), of=jax.jit, nonfinite=True)
def half_norm(x):
    squares = x * x  # <-
    return jnp.sqrt(jnp.sum(squares))


# Products of 64 * 40 * 40 = 102400 > 65504 overflow in the matmul; the later scaling is too late.
@fault(
    "overflow",
    args=lambda: (np.full((4, 64), 40.0, f16), np.full((6, 64), 40.0, f16)),
    of=jax.jit,
    nonfinite=True,
)
def half_attention_scores(q, k):
    scores = q @ k.T  # <-
    scaled = scores / 64.0
    return jax.nn.softmax(scaled, axis=-1)


# h grows 1.9-fold a step: 1.9^150 = 7e41 passes 3.4e38 in the 138th of 150 steps.
@fault("overflow", args=lambda: (np.ones(4, f32),), of=jax.jit, nonfinite=True)
def exploding_scan(h):
    def step(h, _):
        h = 1.9 * h  # <-
        return h, h.max()

    _, largest = lax.scan(step, h, None, length=150)
    return largest


# 200 probabilities of 0.1 to 0.9 multiply to 1e-70: zero in float32. log(0) is only its witness.
@fault("underflow", args=lambda: (uniform(0.1, 0.9, 200),), of=jax.jit, nonfinite=True)
def log_of_likelihood(probabilities):
    likelihood = jnp.prod(probabilities)  # <-
    return jnp.log(likelihood)


# exp(-150) = 7e-66 is zero in float32 for every state; 0 / 0 follows.
@fault("underflow", args=lambda: (uniform(120.0, 150.0, 16),), of=jax.jit, nonfinite=True)
def boltzmann_weights(energies):
    weights = jnp.exp(-energies)  # <-
    partition = jnp.sum(weights)
    return weights / partition


# An empty class: 1 / 0 = inf is made by the division; 0 * inf = NaN in the product follows.
@fault(
    "division-by-zero",
    args=lambda: (normal(12, 3), np.array([0, 0, 1, 1, 3, 3] * 2)),
    nonfinite=True,
)
def class_means(x, labels):
    one_hot = (labels[:, None] == jnp.arange(4)).astype(x.dtype)
    counts = one_hot.sum(0)
    weights = 1.0 / counts  # <-
    return (one_hot.T @ x) * weights[:, None]


# A padded, all-zero row has norm 0, and 0 / 0 is NaN.
@fault("division-by-zero", "invalid", args=lambda: (_padded(),), of=jax.vmap, nonfinite=True)
def normalise_rows(row):
    norm = jnp.sqrt(jnp.sum(row * row))
    return row / norm  # <-


def _padded():
    x = normal(5, 4)
    x[3] = 0.0
    return x


# sigmoid(32) = 1 - 1e-14 rounds to 1 in float32, so 1 - p is 0 and its logarithm -inf.
@fault("log-of-zero", args=lambda: (f32(25.0) * normal(8), np.zeros(8, f32)), nonfinite=True)
def naive_binary_cross_entropy(logits, labels):
    p = jax.nn.sigmoid(logits)
    positive = labels * jnp.log(p + 1e-30)
    negative = (1.0 - labels) * jnp.log(1.0 - p)  # <-
    return -jnp.mean(positive + negative)


# A class that never occurs has q = 0 exactly, in the input: log(0) = -inf, then 0 * -inf = NaN.
@fault("log-of-zero", args=lambda: (np.array([0.5, 0.5, 0.0], f32),), of=jax.jit, nonfinite=True)
def entropy(p):
    surprise = -jnp.log(p)  # <-
    return jnp.sum(p * surprise)


# A negative base to a power that is no whole number has no real value.
@fault("invalid", args=lambda: (normal(16), f32(1.5)), of=jax.jit, nonfinite=True)
def fractional_power(x, exponent):
    scaled = 2.0 * x
    powered = scaled**exponent  # <-
    return powered.mean()


# A row that is masked everywhere: its maximum is -inf, meant; -inf - -inf = NaN is not.
@fault(
    "invalid",
    args=lambda: (normal(4, 4), np.array([[1, 1, 0, 0]] * 3 + [[0, 0, 0, 0]], bool)),
    of=jax.jit,
    nonfinite=True,
)
def fully_masked_row(scores, mask):
    masked = jnp.where(mask, scores, -jnp.inf)
    shifted = masked - masked.max(-1, keepdims=True)  # <-
    weights = jnp.exp(shifted)
    return weights / weights.sum(-1, keepdims=True)


# 10^60 overflows before the factorial brings it down: inf / inf.
@fault("overflow", args=lambda: (np.array([3.0, 60.0], f32), f32(10.0)), of=jax.jit, nonfinite=True)
def poisson_probability(counts, rate):
    power = rate**counts  # <-
    factorial = jnp.exp(jax.lax.lgamma(counts + 1.0))
    return power * jnp.exp(-rate) / factorial


# Newton's iteration for the root of 2, started where the slope is 0: -2 / 0 in the first step.
@fault("division-by-zero", args=lambda: (np.array([1.0, 0.0], f32),), of=jax.vmap, nonfinite=True)
def newton_from_zero(x):
    def step(_, x):
        change = (x * x - 2.0) / (2.0 * x)  # <-
        return x - change

    return lax.fori_loop(0, 8, step, x)


# A word that occurs nowhere: log(0), from integers.
@fault("log-of-zero", args=lambda: (np.array([[3, 0], [1, 2]], np.int32),), nonfinite=True)
def word_weights(counts):
    share = counts / counts.sum(0)
    information = jnp.log(share)  # <-
    return -information.mean(1)


# The variance of equal numbers by moments comes out as -0.06: no root. (The subtraction on the same
# line is what made it negative.)
@fault("invalid", "cancellation", args=lambda: (_constant_rows(),), of=jax.jit, nonfinite=True)
def spread_by_moments(x):
    first = jnp.mean(x, axis=1)
    second = jnp.mean(x * x, axis=1)
    return jnp.sqrt(second - first * first)  # <-


def _constant_rows():
    return (1000.0 + np.arange(16)[:, None] * 0.1 + np.zeros((16, 7))).astype(f32)
