"""What is advised where numbers cancel, by what they are made of; and where that is not known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.numerics.precision.differences import in_place_of
from jaxkit.numerics.precision.ones import (
    _ONE,
    _ONE_AND_SQUARE,
    _ONE_OVER_ROOT,
    _POWER,
    _PRODUCT,
    _ROOT,
    _SHARE,
    _SQUARE,
    _SQUARED,
    _WHOLE,
    _summed_up,
)
from jaxkit.numerics.precision.patterns import ADDS, uses_of
from jaxkit.numerics.precision.plan import Tap, plan_of
from jaxkit.numerics.precision.wide import SUMS

X, Y, S = jnp.arange(1.0, 5.0), jnp.arange(2.0, 6.0), jnp.float32(0.5)
H = jnp.float32(1e-3)


def taps_of(fun: Callable[..., Any], *args: Any) -> list[Tap]:
    """In the order of the program."""
    taps = plan_of(jax.make_jaxpr(fun)(*args), {}).all_taps()
    return sorted(taps, key=lambda tap: tap.index)


def advice(fun: Callable[..., Any], *args: Any) -> str | None:
    """On the last addition, or sum, of a function."""
    taps = taps_of(fun, *args)
    tap = [tap for tap in taps if tap.primitive in ADDS or tap.primitive in SUMS][-1]
    return in_place_of(tap, uses_of(taps))


def by_groups(x):
    group = jnp.array([0, 1, 1, 0])
    count, total, squares = (
        jax.ops.segment_sum(each, group, 2) for each in (jnp.ones(4), x, x * x)
    )
    return squares - total * total / count


def running_variance(x):
    def push(carry, x):
        count, s1, s2 = carry
        return (count + 1, s1 + x, s2 + x * x), None

    (count, s1, s2), _ = jax.lax.scan(push, (0.0, 0.0, 0.0), x)
    return s2 / count - (s1 / count) ** 2


def running_product(x):
    def push(carry, x):
        s1, s2 = carry
        return (s1 + x, s2 + 3 * x), None

    (s1, s2), _ = jax.lax.scan(push, (0.0, 0.0), x)
    return s2 - s1**2


def gram(x, y):
    return (x * x).sum() + (y * y).sum() - 2 * x @ y


MOMENTS = "a variance or distance by moments"


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: (x * x).mean() - x.mean() ** 2,
        lambda x: jnp.mean(x**2, axis=0, keepdims=True) - jnp.mean(x) * jnp.mean(x),
        lambda x: x @ x / x.size - jnp.square(x.mean()),
        lambda x: (x * x).sum() - (jnp.broadcast_to(x.mean(), 4) ** 2).sum(),
        lambda x: -(x.mean() ** 2) + (x.astype(jnp.float16) ** 2).mean().astype(jnp.float32),
        running_variance,
        by_groups,
        jax.jit(lambda x: gram(x, x + 1)),
    ],
)
def test_moments_are_squares_less_squares(fun: Any) -> None:
    assert str(advice(fun, X)).startswith(MOMENTS)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: (x * Y).sum() - x.sum(),  # no squares
        lambda x: x - (x @ Y) * Y,  # a projection
        lambda x: (x * x).sum() - x.sum(),  # nothing squared is subtracted
        lambda x: (x * x).sum() + x.sum() ** 2,  # added
        lambda x: (x @ x) * (Y @ Y) - (x @ Y) ** 2,  # the determinant of Gram's matrix
        running_product,
        lambda x: math.prod(jnp.split(x, 2)).sum() - x.sum() ** 2,  # two parts of one array
        lambda x: (x * x).sum() - (Y * Y).sum(),  # of two arrays
    ],
)
def test_no_moments(fun: Any) -> None:
    assert MOMENTS not in str(advice(fun, X))


@pytest.mark.parametrize(
    ("starts", "fun"),
    [
        ("-jnp.expm1(x)", lambda x: 1 - jnp.exp(x)),
        ("-jnp.expm1(x)", lambda x: -jnp.exp(x) + 1),
        ("jnp.expm1(x)", lambda x: jnp.exp(x) - 1),
        ("jnp.expm1(x)", lambda x: -1.0 + jnp.exp(x)),
        ("None", lambda x: 1 + jnp.exp(x)),
        ("None", lambda x: 2 - jnp.exp(x)),
        ("1 - sigmoid(x) is", lambda x: 1 - jax.nn.sigmoid(x)),
        ("sigmoid(x) - 1 is", lambda x: jax.nn.sigmoid(x) - 1),
        ("1 + cos(x) is", lambda x: 1 + jnp.cos(x)),
        ("1 - tanh(x) ** 2 is", lambda x: 1 - jnp.tanh(x) ** 2),
        ("1 - exp(x) ** 2 is", lambda x: 1 - jnp.exp(x) ** 2),
        ("1 - x ** 2 is (1 - x) * (1 + x)", lambda x: 1 - x**2),
        ("x ** 2 - 1 is (x - 1) * (x + 1)", lambda x: x * x - 1),
        ("1 - sqrt(1 - x) is", lambda x: 1 - jnp.sqrt(1 - x)),
        ("1 - sqrt(1 + x) is", lambda x: 1 - jnp.sqrt(x + 1)),
        ("sqrt(x) - 1 is", lambda x: jnp.sqrt(x) - 1),
        ("1 / s - 1 with s = sqrt(1 + x) is", lambda x: jax.lax.rsqrt(1 + x) - 1),
        ("1 - 1 / s with s = sqrt(1 - x) is", lambda x: 1 - (1 - x) ** -0.5),
        ("1 / s - 1 with s = sqrt(x) is", lambda x: 1 / jnp.sqrt(x) - 1),
        ("subtract before dividing", lambda x: 1 - x / Y),
        ("1 - a / (a - c) is", lambda x: 1 - x / (x - Y)),
        ("(a + c) / a - 1 is", lambda x: (Y + x) / x - 1),
        ("sum(a ** 2) - sum(b ** 2) is", lambda x: (x * x).sum() - Y @ Y),
        ("|v| ** 2 - (u . v) ** 2", lambda x: x @ x - (Y @ x) ** 2),
        ("exp(x) - 1 - x is", lambda x: jnp.exp(x) - 1 - x),
        ("exp(x) - 1 - x is", lambda x: x**2 + jnp.exp(2 * x) - 1 - 2 * x),
        ("exp(x) - 1 - x is", lambda x: jnp.expm1(-x) + x),
        ("None", lambda x: jnp.exp(x) - 1 + x),
        ("None", lambda x: jnp.exp(x) - 1 - Y),
        ("None", lambda x: jnp.exp(x[1:]) - 1 - x[:-1]),
        ("x - sin(x) is x ** 3 / 6", lambda x: x - jnp.sin(x)),
        ("None", lambda x: x[1:] - jnp.sin(x[:-1])),
        ("None", lambda x: Y - jnp.sin(x)),
        ("a ** 2 - b ** 2 is", lambda x: x**2 - Y * Y),
        ("a * d - b * c: of coordinates", lambda x: x[:-1] * Y[1:] - x[1:] * Y[:-1]),
        ("None", lambda x: 2 * x - 3 * Y),
        ("x - sqrt(x ** 2 - c) is", lambda x: x / 2 - jnp.sqrt((x / 2) ** 2 - Y)),
        ("None", lambda x: x - jnp.sqrt(Y - x)),
    ],
)
def test_a_difference_of_a_known_form(starts: str, fun: Any) -> None:
    assert str(advice(fun, X)).startswith(starts)


def test_the_identities_are_true() -> None:
    names = {name: getattr(np, name) for name in "sin cos tan sinh cosh tanh exp sqrt".split()}
    names |= {
        "log": np.log,
        "log1p": np.log1p,
        "expm1": np.expm1,
    }
    names |= {"erf": math.erf, "atan2": np.arctan2, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
    names |= {"jax": jax, "jnp": np, "x": 0.3, "y": 1.7, "a": 0.8, "b": 1.9, "c": 0.4, "n": 5}
    names |= {"cumprod": np.cumprod, "prod": np.prod}
    tables = (
        _ONE,
        _ONE_AND_SQUARE,
        _ROOT,
        _ONE_OVER_ROOT,
        _SQUARED,
        _PRODUCT,
        _POWER,
        _SHARE,
        _WHOLE,
    )
    products = [text for row in _PRODUCT.values() for text in _summed_up(row)]
    for text in (*_texts(*tables), *_SQUARE, *products):
        if text is not None:
            formula = text.partition(", or ")[0].rpartition(": ")[2]
            formula, root = _with_root(formula)
            one, _, other = formula.partition(" in place of " if " in " in formula else " is ")
            here, there = (float(np.squeeze(eval(x, names | root(names)))) for x in (one, other))
            assert here == pytest.approx(there), text


def _with_root(formula: str) -> tuple[str, Callable[[Any], Any]]:
    """A formula without `with s = ...`, and what that says."""
    before, found, rest = formula.partition(" with s = ")
    if not found:
        return formula, lambda names: {}
    value, _, after = rest.partition(" is ")
    return f"{before} is {after}", lambda names: {"s": eval(value, names)}


def _texts(*tables: Any) -> list[str | None]:
    return [text for table in tables for row in table.values() for text in row]


def windows(x):
    total = jnp.concatenate([jnp.zeros(1), jnp.cumsum(x)])
    return total[2:] - total[:-2]


def test_windows_of_one_running_sum() -> None:
    assert str(advice(windows, X)).startswith("the difference of two elements of a running sum")
    assert advice(lambda x: jnp.cumsum(x) - jnp.cumsum(Y), X) is None


def gram_schmidt(x, y, *, again: bool = False):
    q = x / jnp.linalg.norm(x)
    v = y - jnp.vdot(q, y) * q
    return v - jnp.vdot(q, v) * q if again else v


def test_a_projection_is_orthogonalised() -> None:
    assert "jnp.linalg.qr" in str(advice(gram_schmidt, X, Y))
    assert "jnp.linalg.qr" in str(advice(lambda x, y: y - x[:, None] @ (x[None] @ y), X, Y))
    assert "jnp.linalg.qr" in str(advice(lambda x, y: gram_schmidt(x, y) / 3 @ y, X, Y))
    assert advice(lambda x, y: y - jnp.eye(4) @ x, X, Y) is None
    tap = [tap for tap in taps_of(gram_schmidt, X, Y) if tap.primitive == "sub"][-1]
    tap.scope = "transpose(jvp())"  # of a norm's derivative, which nobody has written
    assert str(in_place_of(tap, {})).startswith("terms of a derivative cancel")


def wave(x):
    return jnp.sin(3 * x) + 0.5 * jnp.cos(x)


def energy(x):
    return jnp.sum((x[:, None] - x[None, :]) ** 2)


def along(x, h, step=1e-4):
    e = jnp.zeros(x.size, x.dtype).at[1].set(step)
    return -(energy(x + e) - energy(x - e)) / (2 * step)


@pytest.mark.parametrize(
    ("best", "fun"),
    [
        ("eps ** (1/3)", lambda x, h: (wave(x + h) - wave(x)) / h),
        ("eps ** (1/3)", lambda x, h: (wave(x + h) - wave(x - h)) / (2 * h)),
        ("eps ** (1/3)", lambda x, h: (jnp.exp(x + 1e-3) - jnp.exp(x)) / 1e-3),
        ("eps ** (1/4)", lambda x, h: (wave(x + h) - 2 * wave(x) + wave(x - h)) / (h * h)),
        ("eps ** (1/3)", lambda x, h: (jnp.log(x + h * Y) - jnp.log(x)) / h),
        ("eps ** (1/3)", along),
    ],
)
def test_a_finite_difference(best: str, fun: Any) -> None:
    text = str(advice(fun, X, H))
    assert text.startswith("a finite difference")
    assert best in text


def upward(x):
    """Spherical Bessel functions by the recurrence that grows their errors."""

    def turn(carry, k):
        before, last = carry
        return (last, (2 * k + 1) / x * last - before), None

    start = jnp.sin(x) / x, jnp.sin(x) / x**2 - jnp.cos(x) / x
    return jax.lax.scan(turn, start, jnp.arange(1.0, 8.0))[0][1]


def test_a_recurrence_of_three_terms() -> None:
    finding = jaxkit.shadow(upward)(jnp.float32(1.5)).findings[0]
    assert finding.kind == "cancellation"
    assert "Miller" in finding.fix


def test_what_one_carry_is_made_of_is_no_recurrence() -> None:
    def turn(carry, y):
        return carry * y - carry, None

    def powers(x):
        return jax.lax.scan(turn, x, jnp.full(5, 1.0001))[0]

    assert "Miller" not in str(advice(powers, jnp.float32(1.3)))


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, h: wave(x + h) - wave(x),  # not divided by h
        lambda x, h: (x + h - Y) / h,  # no function of x and x + h
        lambda x, h: (jnp.sin(x) - jnp.cos(Y)) / h,
        lambda x, h: (wave(x + h) - wave(x)) / (h + 3),
    ],
)
def test_no_finite_difference(fun: Any) -> None:
    assert "finite" not in str(advice(fun, X, H))
