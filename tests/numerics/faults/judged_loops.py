"""The judge's faults that come of many steps, finite ones."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults import judged_data as drawn
from tests.numerics.faults.case import fault
from tests.numerics.faults.data import bf16, f32


def _average(xs, decay):
    ema = 0.0
    for x in xs:
        ema += (x - ema) * decay
    return np.array(ema)


# At 0.8 a step is 0.00195, half an ulp: the average of ones goes no further.
@fault(
    "absorption",
    "error-accumulation",
    args=lambda: (np.ones(800, bf16), bf16(0.01)),
    truth=_average,
)
def ema_stalls_bf16(xs, decay):
    def step(ema, x):
        ema = ema + (x - ema) * decay  # <-
        return ema, None

    return lax.scan(step, jnp.zeros((), jnp.bfloat16), xs)[0]


# Energies of 2e5 differ by little: the leapfrog nearly keeps them.
@fault("cancellation", args=lambda: _phase_point())
def hmc_energy_difference(q, p, eps):
    def energy(q, p):
        return 0.5 * jnp.sum(q * q) + 0.5 * jnp.sum(p * p)

    def leap(_, qp):
        q, p = qp
        p = p - 0.5 * eps * q
        q = q + eps * p
        return q, p - 0.5 * eps * q

    q1, p1 = lax.fori_loop(0, 10, leap, (q, p))
    return energy(q, p) - energy(q1, p1)  # <-


def _phase_point():
    return (30 * drawn.POSITION).astype(f32), drawn.MOMENTUM.astype(f32), f32(0.01)


# The first gain is 1 - 4e-6, right to 6e-8.
@fault("cancellation", "absorption", args=lambda: (f32(3e3), f32(0.0123)))
def kalman_posterior_variance(p0, r):
    def step(p, _):
        k = p / (p + r)  # <~ cancellation, absorption
        return (1.0 - k) * p, k  # <-

    return lax.scan(step, p0, None, length=5)[0]


# The logistic map at 3.9 is chaotic: an error grows e-fold in two steps.
@fault(
    "ill-conditioned",
    "error-accumulation",
    "cancellation",
    args=lambda: (f32(0.3), f32(3.9)),
)
def chaotic_map(x, r):
    def body(_, x):
        return r * x * (1.0 - x)  # <-

    return lax.fori_loop(0, 60, body, x)


def _moment(ks):
    x, weights = np.polynomial.legendre.leggauss(40)
    x = (x + 1) / 2
    return np.sum(weights / 2 * x ** len(ks) * np.exp(x - 1))


# The tenth step has multiplied the first value's error by 10! = 4e6.
@fault(
    "cancellation",
    "error-accumulation",
    "ill-conditioned",
    args=lambda: (np.arange(1, 11).astype(f32),),
    truth=_moment,
)
def moment_recurrence(ks):
    start = 1.0 - jnp.exp(-jnp.float32(1.0))

    def step(prev, k):
        cur = 1.0 - k * prev  # <-
        return cur, cur

    return lax.scan(step, start, ks)[0]


# From 16 s on, a tick is rounded to a multiple of 2e-6, each time in the same direction.
@fault(
    "error-accumulation",
    "absorption",
    args=lambda: (f32(1e-3),),
    truth=lambda dt: 30000 * dt,
)
def simulation_clock(dt):
    def tick(_, t):
        return t + dt  # <-

    return lax.fori_loop(0, 30000, tick, jnp.zeros((), jnp.float32))
