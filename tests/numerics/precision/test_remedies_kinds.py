"""What is advised by the kind of a finding, and how its message says what was found."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.numerics.precision.classify import Diagnosis
from jaxkit.numerics.precision.patterns import ADDS, uses_of
from jaxkit.numerics.precision.remedies import is_rounding, remedy
from tests.numerics.precision.test_remedies import X, Y, taps_of


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
