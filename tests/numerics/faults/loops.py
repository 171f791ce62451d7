"""Faults that many steps make: drift, sums that stall, recurrences that blow errors up."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults.case import fault
from tests.numerics.faults.data import bf16, f16, f32, uniform


# 1e5 steps of 0.1: beyond 4096 the sum is rounded by up to 2.4e-4 a step, always to the same side
# for many steps. No single step errs by more than 6e-8 of the sum; together they make 1e-4. (Late
# steps lose 0.2% of the increment, so that absorption is a fair word too.)
@fault("error-accumulation", "absorption", args=lambda: (f32(0.1),), of=jax.jit)
def clock_by_steps(dt):
    def tick(_, time):
        return time + dt  # <-

    return lax.fori_loop(0, 100_000, tick, jnp.zeros_like(dt))


# 30000 times a factor of 1 - 1.2e-7: a weight of 1.4 should lose 1.4 ulps a step and loses 1, or
# 2: each product is rounded, by less than 6e-8, and always to the same side. No step amplifies.
@fault("error-accumulation", args=lambda: (np.array([1.3, 1.4, 1.7], f32), f32(1 - 2**-23)))
def weight_decay(weights, factor):
    def step(_, weights):
        return weights * factor  # <-

    return lax.fori_loop(0, 30_000, step, weights)


# The logistic map in its chaotic regime doubles an error each step (Lyapunov exponent ln 2), so
# 6e-8 is of order 1 after 24 steps. No step amplifies by much: many together do.
@fault("error-accumulation", "ill-conditioned", args=lambda: (uniform(0.1, 0.9, 8),), of=jax.jit)
def logistic_map(x):
    def step(x, _):
        x = 3.9 * x * (1.0 - x)  # <-
        return x, None

    x, _ = lax.scan(step, x, None, length=60)
    return x


# I_n = integral of (x/a)^n e^(x-a) over [0, a], by I_n = 1 - n/a I_(n-1): the product is within 1/n
# of 1, so each subtraction amplifies what it inherits about n-fold; 12! * 6e-8 = 29.
@fault(
    "cancellation",
    "error-accumulation",
    "ill-conditioned",
    args=lambda: (uniform(1.0, 1.5, 4),),
    of=jax.vmap,
)
def forward_recurrence(a):
    def step(value, n):
        value = 1.0 - n * value / a  # <-
        return value, value

    start = 1.0 - jnp.exp(-a)
    _, values = lax.scan(step, start, jnp.arange(1, 13).astype(a.dtype))
    return values[-1]


# From 2^24 on float32 has no odd numbers: adding one changes nothing, 1000 times.
@fault("absorption", args=lambda: (f32(2.0**24), np.ones(1000, f32)), of=jax.jit)
def long_counter(seen, batches):
    start = seen

    def count(seen, one):
        seen = seen + one  # <-
        return seen, seen - start

    _, new = lax.scan(count, seen, batches)
    return new


# A float16 counter stops at 2048: 2048 + 1 is a tie, and goes to the even neighbour, 2048.
@fault("absorption", args=lambda: (np.ones((), f16),), of=jax.jit)
def half_counter(one):
    def keep_on(state):
        return state[0] < 3000

    def count(state):
        i, n = state
        n = n + one  # <-
        return i + 1, n

    return lax.while_loop(keep_on, count, (0, jnp.zeros_like(one)))[1]


# bf16 has 8 bits: (1 - 0.999) * (1 - m) is below half an ulp of m once m passes 0.25 or so, and the
# average stalls far below its limit 1.
@fault("absorption", args=lambda: (np.ones((2000, 4), bf16),), of=jax.jit)
def moving_average(samples):
    def update(average, sample):
        change = 0.001 * (sample - average)
        average = average + change  # <-
        return average, None

    average, _ = lax.scan(update, jnp.zeros_like(samples[0]), samples)
    return average


# 1e-3 * g is below half an ulp (2e-3) of weights around 1: bf16 gradient descent does not move.
@fault("absorption", args=lambda: (np.ones(8, bf16), np.full(8, 0.7, bf16)), of=jax.jit)
def descent_that_stands_still(weights, target):
    def loss(w):
        return jnp.sum((w - target) ** 2) / 2

    def step(_, w):
        change = 0.001 * jax.grad(loss)(w)
        return w - change  # <-

    return lax.fori_loop(0, 1000, step, weights)


# 0.05 forty times is 2.0000000298 (the float32 number 0.05 is a little more than a twentieth), but
# the float32 sum is 1.9999993 then, so that its comparison lets one more step through.
@fault("branch-divergence", args=lambda: (f32(2.0), f32(0.05)), of=jax.jit)
def integrate_until(end, dt):
    def running(state):
        time, _ = state
        return time < end  # <-

    def euler(state):
        time, y = state
        return time + dt, y - dt * y

    return lax.while_loop(running, euler, (jnp.zeros_like(dt), jnp.ones_like(dt)))[1]


# x / width is 5 for 0.5 / 0.1 in float32 and 4.9999999 for the same two numbers in float64: the
# floor takes another bin.
@fault("branch-divergence", args=lambda: (_edges(), f32(0.1)), of=jax.jit)
def bin_edges(x, width):
    position = x / width
    index = jnp.floor(position)  # <-
    return index * width


def _edges():
    return (np.array([5, 7, 9, 10, 14, 15]) * 0.1).astype(f32)


# Six payments of a tenth: the float32 total is float32(0.6) = 0.6000000238 and reaches the
# limit, the float64 total of the same six is 0.6000000089. The comparison takes the other branch.
@fault("branch-divergence", args=lambda: (np.full(6, 0.1, f32), f32(0.6)), of=jax.jit)
def at_the_limit(payments, limit):
    total = lax.fori_loop(0, 6, lambda i, paid: paid + payments[i], jnp.zeros_like(limit))
    return lax.cond(total >= limit, lambda t: 1.5 * t, lambda t: t, total)  # <-


# Quantising to tenths: x * 10 is exactly halfway in float32 and goes to the even neighbour; in
# float64 the same numbers are a little to one side.
@fault("branch-divergence", args=lambda: (_halfway(), f32(10.0)), of=jax.jit)
def quantise(x, levels):
    scaled = x * levels
    code = jnp.round(scaled)  # <-
    return code / levels


def _halfway():
    return np.array([0.05, 0.25, 0.45, 0.65, 0.85, 1.05, 1.25, 1.45, 0.3, 0.72], f32)
