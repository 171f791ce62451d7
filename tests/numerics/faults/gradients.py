"""Faults of derivatives: the forward pass is fine, or at least finite."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults.case import fault
from tests.numerics.faults.data import f16, f32, normal, uniform


def _with_tangent(function):
    """Value and directional derivative, forward."""
    return lambda x, tangent: jax.jvp(function, (x,), (tangent,))


# `where` picks the safe branch, but the derivative of the other one at 0 is 0.5 / 0 = inf, and the
# cotangent 0 that where sends there makes 0 * inf = NaN of it.
@fault("division-by-zero", "invalid", args=lambda: (_with_zero(),), of=jax.grad, nonfinite=True)
def root_behind_where(x):
    positive = x > 0
    root = jnp.sqrt(x)  # <-
    return jnp.where(positive, root, 0.0).sum()


# The same for the logarithm: its derivative is cotangent / x = 0 / 0. (Its value at 0 is -inf, in a
# branch that is not taken.)
@fault(
    "division-by-zero",
    "invalid",
    "log-of-zero",
    args=lambda: (_with_zero(),),
    of=lambda f: jax.jit(jax.value_and_grad(f)),
    nonfinite=True,
)
def entropy_behind_where(p):
    logarithm = jnp.log(p)  # <-
    terms = jnp.where(p > 0, p * logarithm, 0.0)
    return -jnp.sum(terms)


def _with_zero():
    x = uniform(0.1, 2.0, 6)
    x[2] = 0.0
    return x


# exp(200) = inf in the branch that is not taken: 0 * inf in the backward pass.
@fault("overflow", args=lambda: (np.array([1.0, 200.0, -3.0], f32),), of=jax.grad, nonfinite=True)
def capped_exponential(x):
    small = jnp.exp(x)  # <-
    linear = 1.0 + x
    return jnp.where(x < 10.0, small, linear).sum()


# The norm has a kink at 0: its derivative is x / |x| = 0 / 0, in the backward pass of the root.
@fault("division-by-zero", "invalid", args=lambda: (_two_equal(),), of=jax.grad, nonfinite=True)
def repulsion(points):
    difference = points[:-1] - points[1:]
    distance = jnp.linalg.norm(difference, axis=-1)  # <-
    return jnp.sum(jnp.exp(-distance))


def _two_equal():
    points = normal(5, 3)
    points[3] = points[2]
    return points


# A constant feature has standard deviation 0, and the root's derivative there is infinite.
@fault(
    "division-by-zero",
    "invalid",
    args=lambda: (np.array([[1.0, 2.0], [3.0, 2.0], [5.0, 2.0]], f32),),
    of=jax.grad,
    nonfinite=True,
)
def standardise(x):
    spread = jnp.std(x, axis=0)  # <-
    centred = x - x.mean(0)
    return jnp.sum(jnp.tanh(centred / (spread + 1e-3)) ** 2)


# d atan2 = (x dy - y dx) / (x^2 + y^2): 0 / 0 at the origin, forward mode.
@fault(
    "division-by-zero",
    "invalid",
    args=lambda: (np.array([[1.0, 2.0], [0.0, 0.0]], f32), np.ones((2, 2), f32)),
    of=_with_tangent,
    nonfinite=True,
)
def polar_angle(points):
    x, y = points[:, 0], points[:, 1]
    angle = jnp.arctan2(y, x)  # <-
    return 2.0 * angle


# Equal eigenvalues: the eigenvectors' derivative divides by their difference.
@fault(
    "division-by-zero",
    "invalid",
    args=lambda: (np.diag([2.0, 2.0, 1.0]).astype(f32),),
    of=jax.grad,
    nonfinite=True,
)
def principal_axis(covariance):
    _, vectors = jnp.linalg.eigh(covariance)  # <-
    return jnp.sum(vectors[:, -1] ** 3)


# The rule for the backward pass forms e^x / (1 + e^x) with x = 100: inf / inf. JAX gives all of its
# equations the line of the call, so that is the line to expect; the rule's own would be better.
@fault("overflow", args=lambda: (np.array([0.5, 100.0], f32),), of=jax.grad, nonfinite=True)
def softplus_with_own_rule(x):
    @jax.custom_vjp
    def softplus(x):
        return jnp.logaddexp(x, 0.0)

    def forward(x):
        return softplus(x), x

    def backward(x, cotangent):
        power = jnp.exp(x)  # <~ overflow
        return (cotangent * power / (1.0 + power),)

    softplus.defvjp(forward, backward)
    smooth = softplus(x)  # <-
    return smooth.sum()


# A loss scale of 2^17 is more than float16 holds: it becomes inf when the cotangent is cast to the
# dtype of what was cast up in the forward pass.
@fault(
    "overflow",
    "low-precision-cast",
    args=lambda: (normal(16, dtype=f16), f32(2.0**17)),
    of=lambda f: jax.jit(jax.grad(f)),
    nonfinite=True,
)
def loss_scale_too_great(activations, scale):
    squashed = jnp.tanh(activations)
    full = squashed.astype(jnp.float32)  # <-
    return scale * jnp.sum(full)


# Without a loss scale: 2 (p - t) / n = 2 * 4e-5 / 4096 = 2e-8 is below half of float16's smallest
# number 6e-8, so that the gradient is 0 everywhere. (1 / n = 2.4e-4 itself is fine.)
@fault(
    "underflow",
    args=lambda: (uniform(1e-5, 4e-5, 4096, dtype=f16), np.zeros(4096, f16)),
    of=lambda f: jax.jit(jax.grad(f)),
)
def unscaled_half_loss(predictions, targets):
    error = predictions - targets
    squares = error * error  # <-
    return jnp.mean(squares)


# 0.3^100 = 5e-53: how the last state depends on the first vanishes, on its way back, to an exact 0.
@fault("underflow", args=lambda: (uniform(1.0, 2.0, 4), f32(0.3)), of=jax.jit, nonfinite=True)
def log_sensitivity(state, decay):
    def last(state):
        def step(h, _):
            h = decay * h + 1.0  # <-
            return h, None

        return lax.scan(step, state, None, length=100)[0].sum()

    return jnp.log(jax.grad(last)(state))


# d/dx (softplus(x) - x) = sigmoid(x) - 1 = -e^-x: two cotangents of 1 are added and leave 1e-6.
@fault("cancellation", args=lambda: (uniform(12.0, 14.0, 16),), of=lambda f: jax.jit(jax.grad(f)))
def negative_log_likelihood(logit):
    nll = jnp.logaddexp(logit, 0.0) - logit  # <-
    return nll.sum()


# Value and tangent cancel alike: sqrt(x^2 + 1) - x is 1 / 2x, its derivative x / sqrt(x^2+1) - 1 is
# -1 / 2x^2, for x around 100.
@fault("cancellation", args=lambda: (uniform(80.0, 120.0, 8), np.ones(8, f32)), of=_with_tangent)
def hyperbola_above_its_asymptote(x):
    hyperbola = jnp.sqrt(x * x + 1.0)
    return hyperbola - x  # <-


# The moments of numbers around 100 with spread 0.1 cancel (1e4 - 1e4 = 0.01) in a layer that is
# computed again in the backward pass.
@fault(
    "cancellation",
    args=lambda: (100.0 + 0.1 * normal(4, 32), normal(32, seed=1)),
    of=lambda f: jax.jit(jax.grad(f, argnums=1)),
)
def remat_norm(x, weights):
    @jax.checkpoint
    def normalised(x):
        mean = jnp.mean(x, -1, keepdims=True)
        square = jnp.mean(x * x, -1, keepdims=True)
        variance = square - mean * mean  # <-
        return (x - mean) * lax.rsqrt(jnp.abs(variance) + 1e-5)

    return jnp.sum(jnp.tanh(normalised(x) @ weights))
