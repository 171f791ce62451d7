"""Faults that make a NaN or an infinity, each with its line and kind by reasoning, and controls.

Longer than 400 lines, as it is a table: each case is a few lines, and one place has them all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults.case import cases_of, fault, stable

f32, f16, bf16 = np.float32, np.float16, jnp.bfloat16


def v(*values: float, dtype: Any = f32) -> Callable[[], tuple[Any, ...]]:
    return lambda: (np.array(values, dtype),)


# -- forward: one operation


@fault("division-by-zero", args=v(1.0, 0.0, 2.0))
def reciprocal(x):
    return 1.0 / x  # <-


@fault("division-by-zero", args=v(0.0, 0.0))
def normalised_zero_vector(x):
    n = jnp.sqrt(jnp.sum(x * x))
    return x / n  # <-


@fault("log-of-zero", args=v(1.0, 0.0))
def log(x):
    return jnp.log(x).sum()  # <-


@fault("invalid", args=v(1.0, -2.0))
def log_of_negative(x):
    return jnp.log(x).sum()  # <-


@fault("log-of-zero", args=v(0.5, -1.0))
def log1p(x):
    y = 2.0 * x
    return jnp.log1p(y / 2.0)  # <-


@fault("invalid", args=v(4.0, -1e-7))
def sqrt_of_rounding(x):
    return jnp.sqrt(x)  # <-


@fault("division-by-zero", args=v(4.0, 0.0))
def rsqrt(x):
    return lax.rsqrt(x)  # <-


@fault("invalid", args=v(1.0, 1.0000001))
def arccos(x):
    return jnp.arccos(x)  # <-


@fault("invalid", args=v(-8.0, 8.0))
def cube_root_by_power(x):
    return x ** (1.0 / 3.0)  # <-


@fault("division-by-zero", args=v(0.0, 8.0))
def negative_power(x):
    return x ** (-0.5)  # <-


@fault("division-by-zero", args=v(0.0, 8.0))
def negative_integer_power(x):
    return x**-2  # <-


@fault("overflow", args=v(1.0, 89.0))
def softplus(x):
    e = jnp.exp(x)  # <-
    return jnp.log(1.0 + e)


@fault("overflow", args=v(1e20, 1.0))
def square(x):
    s = x * x  # <-
    return jnp.sqrt(s.sum())


@fault("overflow", args=v(3e38, 3e38))
def total(x):
    return jnp.sum(x)  # <-


@fault("invalid", args=v(1.0, 2.0))
def infinity_minus_infinity(x):
    mask = jnp.full_like(x, -jnp.inf)
    return (x + mask) - mask  # <-


@fault("invalid", args=v(1.0, 2.0))
def zero_times_mask(x):
    mask = jnp.where(x > 1.5, -jnp.inf, 0.0)
    return 0.0 * mask + x  # <-


@fault("invalid", args=v(1.0, 2.0))
def softmax_of_masked_row(x):
    masked = jnp.where(x > 5.0, x, -jnp.inf)
    return jax.nn.softmax(masked)  # <-


@fault("invalid", args=v(1.0, 2.0))
def index_out_of_bounds(x):
    return jnp.take(x, jnp.array([0, 5])).sum()  # <-


@fault("invalid", args=lambda: (np.array([[1, 2], [2, 1]], f32),))
def cholesky_of_indefinite(x):
    return jnp.linalg.cholesky(x).sum()  # <-


@fault("division-by-zero", "invalid", args=lambda: (np.array([[1, 2], [2, 4]], f32),))
def inverse_of_singular(x):
    return jnp.linalg.inv(x).sum()  # <-


@fault("invalid", args=v(5.0, 0.0))
def zero_times_infinity(x):
    return x / 5.0 * jnp.inf  # <-


@fault("division-by-zero", args=v(5.0, 3.0))
def modulo_zero(x):
    return lax.rem(x, x - x[0])  # <-


@fault("division-by-zero", args=v(0.5, 1.0))
def atanh(x):
    return jnp.arctanh(x)  # <-


@fault("division-by-zero", args=lambda: (np.zeros((0, 3), f32),))
def mean_of_nothing(x):
    return x.mean(0)  # <-


# -- the maker of an infinity, and not where it becomes a NaN


# A constant that is chosen: nothing computes it, and it is why the output is NaN.
@fault("invalid", args=v(1.0, 200.0))
def marked_as_wrong(x):
    y = jnp.where(x > 100, jnp.nan, x)  # <-
    return (2 * y).sum()


@fault("invalid", args=lambda: (np.arange(6.0, dtype=f32).reshape(3, 2), np.array([0, 3])))
def index_out_of_range(table, index):
    known = (index >= 0) & (index < table.shape[0])
    rows = table[jnp.clip(index, 0, table.shape[0] - 1)]
    rows = jnp.where(known[:, None], rows, jnp.nan)  # <-
    return jnp.tanh(rows).mean()


# What an operation makes comes before what is chosen elsewhere.
@fault("log-of-zero", args=v(0.0, 200.0))
def made_and_chosen(x):
    y = jnp.where(x > 100, jnp.nan, x)
    return (jnp.log(x) * y).sum()  # <-


# Both products are too large, of either sign: an infinity less an infinity, in one operation.
@fault("overflow", args=v(2e26, -2e26))
def product_of_both_signs(x):
    return x @ jnp.full(2, 5e26)  # <-


# The infinity is of an argument: nothing is too large.
@fault("invalid", args=lambda: (np.array([np.inf, 0.0], f32),))
def infinity_times_zero(x):
    return x @ jnp.zeros((2, 2))  # <-


@fault("overflow", args=v(100.0, 1.0))
def softmax_without_shift(x):
    e = jnp.exp(x)  # <-
    s = e.sum()
    return e / s


@fault("log-of-zero", args=v(1.0, 0.0))
def entropy(p):
    logs = jnp.log(p)  # <-
    return -(p * logs).sum()


@fault("division-by-zero", args=v(1.0, 0.0))
def masked_by_product(x):
    y = 1.0 / x  # <-
    mask = (x > 0).astype(x.dtype)
    return (mask * y).sum()


@fault("underflow", args=v(-200.0, 1.0))
def log_of_exp(x):
    e = jnp.exp(x)  # <-
    return jnp.log(e)


@fault("underflow", args=v(-200.0, 1.0))
def log_sigmoid(x):
    p = jax.nn.sigmoid(x)  # <-
    return jnp.log(p)


@fault("log-of-zero", args=v(200.0, 1.0))
def log_of_one_minus_sigmoid(x):
    p = jax.nn.sigmoid(x)
    return jnp.log(1.0 - p)  # <-


@fault("underflow", args=lambda: (np.full(3, 1e-30, f32),))
def norm_of_tiny(x):
    s = x @ x  # <-
    return x / jnp.sqrt(s)


@fault("underflow", args=lambda: (np.full(60, 0.1, f32),))
def likelihood(p):
    c = jnp.cumprod(p)  # <-
    return jnp.log(c)[-1]


# Adam's eps of 1e-12 is 0 in float16, as is the square of 1e-5: then 0 / 0 or 1e-5 / 0.
@fault("underflow", "division-by-zero", args=v(1e-5, 0.5, dtype=f16))
def optimiser_eps_too_small(g):
    second = g * g  # <-
    eps = jnp.float16(1e-12)
    return g / (jnp.sqrt(second) + eps)


# -- low precision


@fault("overflow", args=v(300.0, 1.0, dtype=f16))
def half_square(x):
    return jnp.sum(jnp.square(x))  # <-


@fault("overflow", args=v(12.0, 1.0, dtype=f16))
def half_exp(x):
    return jnp.exp(x)  # <-


@fault("overflow", args=v(1e30, 1.0, dtype=bf16))
def bfloat_square(x):
    return x * x  # <-


@fault("overflow", args=v(1e5, 1.0))
def cast_to_half(x):
    return x.astype(jnp.float16)  # <-


# -- loops


@fault("overflow", args=lambda: (f32(3.0),))
def growing_carry(x):
    def step(c, _):
        c = c * 10.0  # <-
        return c, None

    return lax.scan(step, x, None, length=50)[0]


@fault("division-by-zero", args=v(3.0, 2.0, 1.0, 0.0, 5.0))
def one_turn_of_a_scan(xs):
    def step(c, x):
        c = c + 1.0 / x  # <-
        return c, c

    return lax.scan(step, jnp.float32(0), xs)


@fault("invalid", args=lambda: (f32(3.0),), of=jax.jit)
def while_below_zero(x):
    def turn(state):
        i, y, s = state
        return i + 1, y - 1.0, s + jnp.sqrt(y)  # <-

    return lax.while_loop(lambda state: state[0] < 6, turn, (0, x, jnp.float32(0)))[2]


@fault("log-of-zero", args=lambda: (np.array([[1, 2], [0, 3]], f32),), of=jax.vmap)
def one_example(x):
    return jnp.log(x).sum()  # <-


@fault("division-by-zero", args=lambda: (f32(0.0),))
def in_a_branch(x):
    def inverse(y):
        return 1.0 / y  # <-

    return lax.cond(x < 1.0, inverse, jnp.sin, x)


@fault("overflow", args=lambda: (f32(30.0),), of=jax.jit)
def nested_loops(x):
    def outer(c, _):
        def inner(d, _):
            d = d * d  # <-
            return d, None

        return lax.scan(inner, c, None, length=2)[0], None

    return lax.scan(outer, x, None, length=3)[0]


# -- backward


@fault("division-by-zero", args=v(1.0, 0.0), of=jax.grad)
def where_around_sqrt(x):
    return jnp.where(x > 0, jnp.sqrt(x), 0.0).sum()  # <-


@fault("division-by-zero", "invalid", "log-of-zero", args=v(1.0, 0.0), of=jax.grad)
def where_around_log(x):
    y = jnp.log(x)  # <-
    return jnp.where(x > 0, y, 0.0).sum()


@fault("division-by-zero", args=v(1.0, 0.0), of=jax.grad)
def where_around_division(x):
    y = 1.0 / x  # <-
    return jnp.where(x > 0, y, 0.0).sum()


@fault("division-by-zero", args=v(0.0, 0.0), of=jax.grad)
def norm_at_zero(x):
    return jnp.linalg.norm(x)  # <-


@fault("division-by-zero", args=v(2.0, 2.0, 2.0), of=jax.grad)
def std_of_constants(x):
    return jnp.std(x)  # <-


@fault("division-by-zero", args=v(0.0, 1.0), of=jax.grad)
def power_at_zero(x):
    return (x**0.5).sum()  # <-


@fault("division-by-zero", args=v(0.0, 1.0), of=jax.grad)
def arccos_at_one(x):
    y = x * 1.0
    return jnp.arccos(y).sum()  # <-


@fault("division-by-zero", args=v(1.0, 0.0), of=lambda f: jax.jit(jax.grad(jax.checkpoint(f))))
def rematerialised(x):
    y = jnp.sqrt(x)  # <-
    return jnp.sin(y).sum()


@fault("division-by-zero", args=v(1.0, 0.0, 2.0), of=jax.grad)
def gradient_through_a_scan(xs):
    def step(c, x):
        c = c + jnp.sqrt(x)  # <-
        return c, None

    return lax.scan(step, jnp.float32(0), xs)[0]


# -- controls


@stable(args=v(1.0, 2.0, -1.0))
def masked_softmax(x):
    return jax.nn.softmax(jnp.where(x > 0, x, -jnp.inf))


@stable(args=v(1.0, 2.0, -1.0), of=jax.grad)
def masked_logsumexp(x):
    return jax.nn.logsumexp(jnp.where(x > 0, x, -jnp.inf))


@stable(args=v(1.0, 2.0))
def running_maximum(x):
    return lax.scan(lambda c, y: (jnp.maximum(c, y), None), jnp.float32(-jnp.inf), x)[0]


@stable(args=v(1.0, 0.0), of=jax.grad)
def double_where(x):
    safe = jnp.where(x > 0, x, 1.0)
    return jnp.where(x > 0, jnp.log(safe), 0.0).sum()


@stable(args=v(1.0, 0.0))
def discarded_log(x):
    return jnp.where(x > 0, jnp.log(x), 0.0).sum()


@stable(args=v(1.0, 0.0))
def xlogy(x):
    return jax.scipy.special.xlogy(x, x).sum()


@stable(args=v(0.0, 0.0), of=jax.grad)
def safe_norm(x):
    square = jnp.sum(x * x)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


@stable(args=v(-1000.0, 1000.0))
def sigmoid_by_exp(x):
    return 1.0 / (1.0 + jnp.exp(-x))


@stable(args=v(1e30, 1.0))
def clipped(x):
    return jnp.minimum(x * x, 1.0)


@stable(args=v(-1000.0, 3.0), of=jax.grad)
def stable_softplus(x):
    return jax.nn.softplus(x).sum()


@stable(args=v(1.0, -1.0))
def given_infinity_returned(x):
    return jnp.where(x > 0, x, -jnp.inf)


@stable(args=v(1.0, -jnp.inf))
def infinite_argument(x):
    return x + 1.0


@stable(args=v(1.0, np.nan))
def nan_argument(x):
    return jnp.log(x * 2.0)


@stable(args=v(1.0, np.nan))
def nan_replaced(x):
    return jnp.nan_to_num(x).sum()


@stable(args=v(-1000.0, 0.0))
def underflow_in_a_sum(x):
    return jnp.log(jnp.exp(x).sum())


@stable(args=v(1.0, 2.0))
def padded_maximum(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), "SAME")


@stable(args=v(3.0, 1.0, 2.0))
def not_taken(x):
    return lax.cond(x[0] > 0, jnp.sin, lambda y: y / 0.0, x)


CASES = cases_of(sys.modules[__name__])
FAULTS = {name: case for name, case in CASES.items() if case.kind is not None}
SOUND = {name: case for name, case in CASES.items() if case.kind is None}
