"""The judge's faults in float32 that stay finite, without loops."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from tests.numerics.faults import judged_data as drawn
from tests.numerics.faults.case import fault
from tests.numerics.faults.data import f32


# Two places 26 km apart: the cosine of the angle 4e-3 is 1 - 8e-6, right to 6e-8.
@fault("ill-conditioned", "cancellation", args=lambda: tuple(map(f32, (0.8, 0.1, 0.803, 0.104))))
def great_circle_acos(lat1, lon1, lat2, lon2):
    sines = jnp.sin(lat1) * jnp.sin(lat2)
    c = sines + jnp.cos(lat1) * jnp.cos(lat2) * jnp.cos(lon2 - lon1)  # <~ absorption, cancellation
    return 6371e3 * jnp.arccos(jnp.clip(c, -1.0, 1.0))  # <-


# Interest of a minute is 1e-7, less than an ulp of 1.
@fault("absorption", args=lambda: (f32(0.05), f32(525600.0), f32(1.0)))
def compound_minutes(rate, n, years):
    per_period = 1.0 + rate / n  # <-
    return per_period ** (n * years)  # <~ ill-conditioned


# log(s2 / s1) of 3e-4 and a ratio of 0.5 - 3e-4 leave 1e-7. The logarithm near 1 is on the same
# line, and as guilty.
@fault(
    "cancellation",
    "ill-conditioned",
    args=lambda: tuple(
        np.array(each, f32) for each in ([0.5, 0.1], [1.2, 0.7], [0.5003, 0.1002], [1.2004, 0.7001])
    ),
)
def kl_close_gaussians(m1, s1, m2, s2):
    ratio = (s1**2 + (m1 - m2) ** 2) / (2 * s2**2)
    return jnp.mean(jnp.log(s2 / s1) + ratio - 0.5)  # <-


# Years around 2000: 31 sum(x^2) of 4e9 less an equal square of a sum leaves 8e4.
@fault("cancellation", args=lambda: _trend())
def trend_slope_raw_moments(x, y):
    n = x.size
    num = n * jnp.sum(x * y) - jnp.sum(x) * jnp.sum(y)  # <~ cancellation
    den = n * jnp.sum(x * x) - jnp.sum(x) ** 2  # <-
    return num / den


def _trend():
    values = 300 + 1.7 * np.arange(31) + drawn.TREND
    return np.arange(1990, 2021).astype(f32), values.astype(f32)


# 0.9999^3 is 1 - 3e-4, right to 3e-8; 0.9^3 is far from 1.
@fault("cancellation", args=lambda: _moments())
def adam_bias_correction(g, m, v, b1, b2, t):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g * g
    mhat = m / (1 - b1**t)
    vhat = v / (1 - b2**t)  # <-
    return mhat / (jnp.sqrt(vhat) + 1e-8)


def _moments():
    g = drawn.GRADIENT.astype(f32)
    return g, f32(0.1) * g, f32(2e-4) * g * g, f32(0.9), f32(0.9999), f32(3.0)


# Second differences for a step of 1e-3: values of 1 leave 1e-6.
@fault("cancellation", args=lambda: (((np.arange(2049) - 1024) / 1024).astype(f32), f32(2.0**-10)))
def laplacian_fine_grid(x, dx):
    u = jnp.exp(-x * x)
    lap = (u[2:] - 2 * u[1:-1] + u[:-2]) / dx**2  # <-
    return jnp.mean(lap * lap)


# A sphere of radius 1 at a distance of 300: squares of 9e4 leave 0.75.
@fault("cancellation", args=lambda: _ray())
def ray_far_small_sphere(origin, direction, center, radius):
    d = direction / jnp.sqrt(jnp.sum(direction**2))
    oc = center - origin
    b = jnp.dot(d, oc)
    c = jnp.dot(oc, oc) - radius**2  # <~ absorption, cancellation
    disc = b * b - c  # <-
    return jnp.sqrt(jnp.maximum(disc, 0.0))


def _ray():
    direction = np.array([0.6, 0.7, 0.3])
    unit = direction / np.linalg.norm(direction)
    across = np.cross(unit, [0, 0, 1.0])
    across /= np.linalg.norm(across)
    center = 300 * unit + 0.5 * across
    return np.zeros(3, f32), direction.astype(f32), center.astype(f32), f32(1.0)


# The derivative of arccos is 1 / sqrt(1 - c^2), for a cosine of 1 - 2e-6.
@fault(
    "cancellation",
    "ill-conditioned",
    args=lambda: (np.array([1, 2, 3], f32), np.array([1.006, 1.998, 2.995], f32)),
    of=jax.grad,
)
def grad_arccos_parallel(u, v):
    c = jnp.dot(u, v) / jnp.sqrt(jnp.dot(u, u) * jnp.dot(v, v))  # <~ cancellation, absorption
    return jnp.arccos(c)  # <-


# e^x / x less (e^x - 1) / x^2, with terms of 1e3, is 0.5.
@fault(
    "cancellation",
    args=lambda: (f32(1e-3), f32(1.0)),
    of=lambda f: lambda x, tangent: jax.jvp(f, (x,), (tangent,))[1],
)
def jvp_phi1_integrator(x):
    return (jnp.exp(x) - 1.0) / x  # <-


# The second derivative of sin(x) / x is -1/3, of terms of 2 / x^2 = 5e3.
@fault("cancellation", args=lambda: (f32(2e-2),), of=lambda f: jax.grad(jax.grad(f)))
def hessian_of_sinc(x):
    return jnp.sin(x) / x  # <-


# 0.7 / 0.1 is 7 in float32 and a little less in float64.
@fault("branch-divergence", args=lambda: (np.array([0.7, 0.25], f32), f32(0.1)))
def floor_of_quotient(t, period):
    turns = jnp.floor(t / period)  # <-
    return (t - turns * period) / period  # <~ cancellation


# 0.7 + 0.1 meets the cap of 0.8 in one precision only.
@fault("branch-divergence", args=lambda: (f32(0.7), f32(0.1), f32(0.8)))
def threshold_flip(a, b, cap):
    used = a + b
    over = used >= cap  # <-
    return jnp.where(over, 0.5 * used, used)  # <~ branch-divergence


# Running sums up to 5e7, where an ulp is 4, of numbers of 1000.
@fault("cancellation", args=lambda: ((1000 + np.sin(np.arange(50000) / 50)).astype(f32),))
def moving_average_by_cumsum(x, w=4):
    c = jnp.cumsum(x)
    return (c[w:] - c[:-w]) / w  # <-


def _solved(b):
    i = np.arange(8.0)
    return np.linalg.solve(1 / (i[:, None] + i + 1), b)


# The Hilbert matrix of order 8 has condition 1e10.
@fault("ill-conditioned", "cancellation", args=lambda: (np.ones(8, f32),), truth=_solved)
def hilbert_fit(b):
    i = jnp.arange(8, dtype=jnp.float32)
    gram = 1.0 / (i[:, None] + i[None, :] + 1.0)
    return jnp.linalg.solve(gram, b)  # <-


# The first product is 1 - 2e-6, right to 6e-8.
@fault("cancellation", args=lambda: (np.linspace(2e-6, 2e-5, 6).astype(f32),))
def diffusion_sigma_early(betas):
    abar = jnp.cumprod(1.0 - betas)  # <~ absorption
    return jnp.sqrt((1.0 - abar) / abar)  # <-


# Prices that change by 2e-6 from tick to tick: their quotient is 1 + 2e-6, right to 6e-8.
@fault("ill-conditioned", "cancellation", args=lambda: (_prices(),))
def tick_log_returns(p):
    r = jnp.log(p[1:] / p[:-1])  # <-
    return jnp.sqrt(jnp.sum(r * r))


def _prices():
    return (1.0823 * np.exp(np.cumsum(2e-6 * drawn.TICKS))).astype(f32)


# At a thousandth of the speed of light gamma is 1 + 5e-7.
@fault("cancellation", args=lambda: (np.array([1, 2], f32), np.array([1e-3, 2e-3], f32)))
def relativistic_kinetic(m, beta):
    gamma = 1.0 / jnp.sqrt(1.0 - beta**2)  # <~ absorption
    return jnp.sum((gamma - 1.0) * m)  # <-


# Two values of 1e6 and more, with an ulp of 0.125 and 0.25, leave 35 and 25.
@fault("cancellation", args=lambda: (np.array([1e5, 2.5e5], f32), np.array([3, 2], f32)))
def dirichlet_lgamma_difference(alpha, counts):
    return jnp.sum(gammaln(alpha + counts) - gammaln(alpha))  # <-


def _rate_in_cycle(step, period):
    return 0.1 * (1.0 - (float(step) % period) / period)


# 40_000_981 is no float32: those are multiples of 4 there.
@fault("low-precision-cast", args=lambda: (np.int32(40_000_981), f32(1000)), truth=_rate_in_cycle)
def int_step_to_f32(step, period):
    s = step.astype(jnp.float32)  # <-
    pos = s % period  # <~ branch-divergence, cancellation, ill-conditioned
    return 0.1 * (1.0 - pos / period)


# A triangle of size 0.2, moved to coordinates of 1e4, where an ulp is 1e-3, and back.
@fault("cancellation", "absorption", args=lambda: _triangle())
def world_coordinates_area(tri, origin):
    w = tri + origin  # <~ cancellation, absorption
    e1, e2 = w[1] - w[0], w[2] - w[0]  # <-
    return 0.5 * jnp.linalg.norm(jnp.cross(e1, e2))


def _triangle():
    return (drawn.TRIANGLE * 0.2).astype(f32), np.array([1e4, 2e4, 50], f32)
