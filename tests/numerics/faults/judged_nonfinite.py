"""The judge's faults that show as a NaN or an infinity, for `nan_origin`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults import judged_data as drawn
from tests.numerics.faults.case import fault
from tests.numerics.faults.data import f16, f32


# The distance of a point to itself is 0, where the root has no derivative.
@fault(
    "division-by-zero",
    "invalid",
    args=lambda: (drawn.PARTICLES.astype(f32),),
    of=jax.grad,
    nonfinite=True,
)
def grad_distance_diagonal(x):
    d2 = jnp.sum((x[:, None] - x[None]) ** 2, -1)
    d = jnp.sqrt(d2)  # <-
    return jnp.sum(jnp.exp(-d))


# The derivative of the branch that is not taken is 0 * inf.
@fault(
    "log-of-zero",
    "division-by-zero",
    "invalid",
    args=lambda: (np.array([0.5, 0.5, 0], f32),),
    of=jax.grad,
    nonfinite=True,
)
def grad_where_entropy(p):
    h = jnp.where(p > 0, p * jnp.log(p), 0.0)  # <-
    return -jnp.sum(h)


# The deviation of a flat image is 0, where the root has no derivative.
@fault(
    "division-by-zero",
    "invalid",
    args=lambda: (np.stack([np.ones((4, 4)), drawn.IMAGE]).astype(f32),),
    of=jax.grad,
    nonfinite=True,
)
def grad_std_of_flat_image(img):
    mu = jnp.mean(img, axis=(1, 2), keepdims=True)
    sd = jnp.std(img, axis=(1, 2), keepdims=True)  # <-
    return jnp.sum(((img - mu) / (sd + 1e-5)) ** 2)


# exp(-200) is 0 in float32: underflow on its line, then 0 * log(0) on the next.
@fault("log-of-zero", "invalid", args=lambda: (np.array([0, -3, -200], f32),), nonfinite=True)
def entropy_of_saturated_softmax(logits):
    p = jax.nn.softmax(logits)  # <~ underflow
    return -jnp.sum(p * jnp.log(p))  # <-


# exp(9 / 0.05) overflows: its occupation is 0 as it should be, and its derivative inf / inf.
@fault(
    "overflow",
    args=lambda: (np.array([1, 9], f32), f32(0.05)),
    of=jax.grad,
    nonfinite=True,
)
def grad_bose_overflow(e, kt):
    x = jnp.exp(e / kt)  # <-
    return jnp.sum(1.0 / (x - 1.0))


# The second row is masked everywhere.
@fault("invalid", "division-by-zero", args=lambda: _queries(), nonfinite=True)
def masked_row_of_attention(q, k, v, mask):
    s = q @ k.T / jnp.sqrt(q.shape[-1])
    s = jnp.where(mask, s, -jnp.inf)  # <~ invalid
    w = jax.nn.softmax(s, axis=-1)  # <-
    return w @ v


def _queries():
    mask = np.tril(np.ones((3, 3), bool))
    mask[1] = False
    return *(each.astype(f32) for each in drawn.MASKED_QKV), mask


# The derivative of arccos at 1 is -1 / 0, in the branch that is not taken.
@fault(
    "division-by-zero",
    "invalid",
    args=lambda: (np.array([1, 0, 0], f32), np.array([1, 0, 0], f32)),
    of=jax.grad,
    nonfinite=True,
)
def grad_arccos_at_one(u, v):
    c = jnp.clip(jnp.dot(u, v), -1.0, 1.0)
    ang = jnp.arccos(c)  # <-
    return jnp.where(c < 1.0, ang, 0.0) ** 2


# The derivative of x^(1 / 2.4) at 0 is inf, in the branch that is not taken.
@fault(
    "division-by-zero",
    "invalid",
    args=lambda: (np.array([0, 0.2, 0.9], f32),),
    of=jax.grad,
    nonfinite=True,
)
def grad_srgb_black(lin):
    lo = 12.92 * lin
    hi = 1.055 * lin ** (1 / 2.4) - 0.055  # <-
    return jnp.mean(jnp.where(lin <= 0.0031308, lo, hi))


# A large negative kick makes the variance negative, the next step takes its root.
@fault(
    "invalid",
    args=lambda: (f32(0.04), np.array([0.3, -1, -2.5, -1.5, 0.2], f32), f32(1.2)),
    nonfinite=True,
)
def heston_negative_variance(v0, zs, xi):
    def step(v, z):
        v = v + 1.5 * (0.04 - v) * 0.01 + xi * jnp.sqrt(v * 0.01) * z  # <-
        return v, v

    return jnp.mean(lax.scan(step, v0, zs)[1])


# 30 near points: the smallest eigenvalues of the kernel are rounding noise, of either sign.
@fault(
    "invalid",
    args=lambda: (np.linspace(0, 1, 30).astype(f32), drawn.GAUSSIAN_SAMPLE.astype(f32)),
    nonfinite=True,
)
def cholesky_without_jitter(x, z):
    k = jnp.exp(-0.5 * (x[:, None] - x[None]) ** 2)  # <~ ill-conditioned
    factor = jnp.linalg.cholesky(k)  # <-
    return factor @ z


# 64 * 60^2 = 230400 > 65504; the scaling comes too late.
@fault("overflow", args=lambda: _half_queries(), nonfinite=True)
def f16_attention_scores(q, k, v):
    s = jnp.einsum("id,jd->ij", q, k)  # <-
    w = jax.nn.softmax(s / 8.0, axis=-1)
    return w @ v


def _half_queries():
    q = np.full((2, 64), 60.0, f16)
    return q, q, drawn.HALF_VALUES.astype(f16)


# 60 probabilities of 0.05 to 0.15 multiply to 1e-61.
@fault(
    "underflow",
    args=lambda: ((0.05 + 0.1 * drawn.TOKEN_SHARES).astype(f32),),
    nonfinite=True,
)
def perplexity_by_product(p):
    joint = jnp.prod(p)  # <-
    return joint ** (-1.0 / p.size)  # <~ division-by-zero, overflow


# From 3 on, each step makes about -x^3 of x.
@fault("overflow", args=lambda: (np.array([0.5, 3], f32), f32(0.3)), nonfinite=True)
def descent_diverges(x, lr):
    def step(x, _):
        g = 4.0 * x**3 - 2.0 * x  # <-
        x = x - lr * g  # <~ overflow, invalid
        return x, None

    return lax.scan(step, x, None, length=12)[0]


# A point at 40: exp(-760) is 0 for each component, and 0 / 0 follows.
@fault(
    "underflow",
    args=lambda: tuple(np.array(each, f32) for each in ([0.3, 40], [-1, 1], [0.4, 0.6])),
    nonfinite=True,
)
def gmm_far_point(x, mu, w):
    dens = w * jnp.exp(-0.5 * (x[:, None] - mu) ** 2)  # <-
    return dens / jnp.sum(dens, -1, keepdims=True)  # <~ division-by-zero, invalid


# The determinant of a covariance of order 30 and size 0.01 is 1e-59.
@fault("underflow", args=lambda: _covariance(), nonfinite=True)
def log_of_det(k, y):
    det = jnp.linalg.det(k)  # <-
    quad = y @ jnp.linalg.solve(k, y)
    return -0.5 * (quad + jnp.log(det))  # <~ log-of-zero


def _covariance():
    steps = np.arange(30.0)
    k = 0.01 * np.eye(30) + 0.001 * np.exp(-np.abs(np.subtract.outer(steps, steps)))
    return k.astype(f32), drawn.EVIDENCE.astype(f32)


# x^2 + 1 from 1: the first step leads to 0, where the slope is 0.
@fault("division-by-zero", args=lambda: (f32(1.0),), nonfinite=True)
def newton_zero_slope(x0):
    def body(_, x):
        f, df = x * x + 1.0, 2.0 * x
        return x - f / df  # <-

    return lax.fori_loop(0, 4, body, x0)
