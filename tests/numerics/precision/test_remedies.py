"""What is advised where numbers cancel, by what they are made of; and where that is not known."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.numerics.precision.classify import Diagnosis
from jaxkit.numerics.precision.differences import _TWO, in_place_of
from jaxkit.numerics.precision.ones import (
    _ONE,
    _ONE_AND_SQUARE,
    _ONE_OVER_ROOT,
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
from jaxkit.numerics.precision.remedies import is_rounding, remedy
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
        ("use the series", lambda x: x - jnp.sin(x)),
        ("None", lambda x: x[1:] - jnp.sin(x[:-1])),
        ("None", lambda x: Y - jnp.sin(x)),
        ("a ** 2 - b ** 2 is", lambda x: x**2 - Y * Y),
        ("a * d - b * c: of coordinates", lambda x: x[:-1] * Y[1:] - x[1:] * Y[:-1]),
        ("None", lambda x: 2 * x - 3 * Y),
        ("the smaller root", lambda x: x / 2 - jnp.sqrt((x / 2) ** 2 - Y)),
        ("None", lambda x: x - jnp.sqrt(Y - x)),
    ],
)
def test_a_difference_of_a_known_form(starts: str, fun: Any) -> None:
    assert str(advice(fun, X)).startswith(starts)


def test_the_identities_are_true() -> None:
    names = {name: getattr(np, name) for name in "sin cos tan sinh cosh tanh exp sqrt".split()}
    names |= {"log": np.log, "log1p": np.log1p, "expm1": np.expm1, "atan": np.arctan}
    names |= {"erf": math.erf, "atan2": np.arctan2, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
    names |= {"jax": jax, "jnp": np, "x": 0.3, "y": 1.7, "a": 0.8, "b": 1.9, "c": 0.4, "n": 5}
    names |= {"cumprod": np.cumprod, "prod": np.prod}
    tables = (_ONE, _ONE_AND_SQUARE, _ROOT, _ONE_OVER_ROOT, _SQUARED, _PRODUCT, _SHARE, _WHOLE)
    products = [text for row in _PRODUCT.values() for text in _summed_up(row)]
    for text in (*_texts(*tables), *_SQUARE, *products, *_TWO.values()):
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
    assert in_place_of(tap, {}) is None


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


def diagnosed(introduced: float, operands: list[float], value: float) -> Diagnosis:
    return Diagnosis("", (), operands, operands, value, value, introduced, introduced, 0, 1, 1)


@pytest.mark.parametrize(
    ("terms", "error", "many"), [(6, 1e-5, False), (6000, 7e-8, False), (6000, 1e-5, True)]
)
def test_many_terms_are_many_and_off_by_more_than_a_rounding(terms, error, many) -> None:
    for fun in (jnp.sum, jnp.cumsum, lambda x: x @ x):
        tap = taps_of(fun, jnp.ones(terms))[-1]
        text = remedy("reduction-low-precision", tap, diagnosed(error, [1.0], 1.0))
        assert ("so many terms" in text) == many
    tap = taps_of(lambda x: jax.lax.reduce_sum(x, (0,)), jnp.ones(6, jnp.float16))[-1]
    text = remedy("reduction-low-precision", tap, diagnosed(1e-3, [1.0], 1.0))
    assert text.startswith("accumulate in float32")
    assert not is_rounding(tap, diagnosed(1e-3, [1.0], 1.0))


def test_a_sum_of_a_rounding_is_mended_where_it_is_magnified() -> None:
    def variance(x):
        squares = (x * x).mean()
        return squares - x.mean() ** 2

    x = 1000 + jnp.sin(jnp.arange(6.0))
    first, *rest = jaxkit.shadow(variance)(x).findings
    assert first.kind == "cancellation"
    assert first.where is not None
    line = variance.__code__.co_firstlineno + 2
    assert first.where.line == line
    assert all("so many terms" not in str(each.fix) for each in rest)


@pytest.mark.parametrize(
    ("starts", "fun"),
    [
        ("(1 + x) ** n is", lambda x: (1 + x) ** Y),
        ("(1 - x) ** n is jnp.exp(n * jnp.log1p(-x))", lambda x: (1 - x) ** 3),
        ("if a logarithm follows", lambda x: (1 + x) ** -2),
        ("jnp.log1p(x) in place", jax.grad(lambda x: (jnp.log(1 + x) ** 2).sum())),
        ("jnp.log1p(x) in place", lambda x: jnp.log(1 + x)),
        ("if a logarithm follows", lambda x: jnp.tanh(1 + x)),
        ("add small to small", lambda x: jnp.log(2 + x)),
    ],
)
def test_what_follows_one_and_a_small_number(starts: str, fun: Any) -> None:
    taps = taps_of(fun, X)
    tap = next(tap for tap in taps if tap.primitive in ADDS)
    found = remedy("absorption", tap, diagnosed(1e-8, [1.0, 1e-6], 1.0), uses_of(taps))
    assert found.startswith(starts)


def test_what_follows_is_a_product() -> None:
    taps = taps_of(lambda x: jnp.cumprod(1 - x), X)
    tap = next(tap for tap in taps if tap.primitive in ADDS)
    found = remedy("absorption", tap, diagnosed(1e-8, [1.0, 1e-6], 1.0), uses_of(taps))
    assert "jnp.exp(jnp.cumsum(jnp.log1p(-x)))" in found


def carried(x):
    return jax.lax.scan(lambda c, x: (c + x, None), jnp.float16(0), x)[0]


def turned(x):
    def turn(c, x):
        a, b = c
        return (a * x - b * x, a), None

    return jax.lax.scan(turn, (jnp.float16(0), jnp.float16(1)), x)[0][0]


@pytest.mark.parametrize(
    ("fun", "operands", "text"),
    [
        (carried, [2048.0, 0.5], "the steps of float16 are larger than what is added"),
        (carried, [0.5, 0.02], "float16 rounds off a part of what is added"),
        (turned, [0.5, 0.02], "carry what the loop computes in float32"),
    ],
)
def test_steps_are_larger_only_where_they_are(fun: Any, operands: Any, text: str) -> None:
    tap = [tap for tap in taps_of(fun, X.astype(jnp.float16)) if tap.primitive in ADDS][-1]
    assert text in remedy("absorption", tap, diagnosed(1e-4, operands, sum(operands)))


def test_what_is_rounded_in_each_turn_is_not_absorbed() -> None:
    def rotate(x, y, cos, sin):
        def turn(point, _):
            x, y = point
            return (cos * x - sin * y, sin * x + cos * y), None

        return jax.lax.scan(turn, (x, y), None, length=3000)[0]

    args = [jnp.float16(v) for v in (1.0, 0.0, np.cos(0.05), np.sin(0.05))]
    assert jaxkit.shadow(rotate)(*args).findings[0].kind == "error-accumulation"
    absorbed = jaxkit.shadow(carried)(jnp.ones(4000, jnp.float16)).findings[0]
    assert absorbed.kind == "absorption"


def test_integers_are_among_the_operands() -> None:
    def gaps(stamps):
        seconds = stamps.astype(jnp.float32)
        return seconds[1:] - seconds[:-1]

    [first, *_] = jaxkit.shadow(gaps)(jnp.array([1_700_002_561, 1_700_002_621], jnp.int32)).findings
    assert first.message.startswith(
        "convert_element_type of 1700002621 (int32) gives 1.70000256e+09"
    )
    assert first.data["operands"] == (1700002621,)
    float_only = jaxkit.shadow(lambda x: x.astype(jnp.bfloat16))(jnp.float32(1.003))
    assert "(" not in "".join(f.message.split(" gives")[0] for f in float_only.findings)


@jax.custom_vjp
def act(x):
    return jnp.tanh(x)


act.defvjp(lambda x: (jnp.tanh(x),) * 2, lambda y, g: (g * (1 - y * y),))


def test_a_backward_pass_is_said_to_be_one() -> None:
    there = "in the backward pass of this line"
    x = jnp.linspace(4.0, 6.0, 16)
    assert there in jaxkit.shadow(jax.grad(lambda x: act(x).sum()))(x).findings[0].message
    forward = jaxkit.shadow(lambda x: 1 - jnp.tanh(x) ** 2)(x).findings[0]
    assert there not in forward.message


def test_a_decision_says_what_it_costs_and_then_what_would_be_left() -> None:
    table, steps = jnp.arange(256.0), jnp.arange(256, dtype=jnp.float32)

    def cells(table, steps, width):
        cell = jnp.floor(steps * width / width)
        return table[cell.astype(jnp.int32)]

    [finding] = jaxkit.shadow(cells)(table, steps, jnp.float32(0.07)).findings
    assert finding.kind == "branch-divergence"
    assert finding.message.endswith("of which nothing would be left if it were decided as there"), (
        finding.message
    )


def test_complex_constants_are_numbers_without_a_warning() -> None:
    z = jnp.array([1 + 1j], jnp.complex64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [finding, *_] = jaxkit.shadow(lambda z: 1 - jnp.exp(z * 1e-4))(z).findings
        assert finding.fix == "-jnp.expm1(x) in place of 1 - exp(x)"
        [other, *_] = jaxkit.shadow(lambda z: (1 + 1j) - (jnp.exp(z * 1e-4) + 1j))(z).findings
        assert "expm1" not in other.fix
        assert not jaxkit.nan_origin(lambda z: 1 / (jnp.exp(z) - (1 + 1j)) - jnp.exp(z))(100 * z).ok
