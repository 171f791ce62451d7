"""Which of several lines is to blame: each by what the output would be without it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxkit
from jaxkit.numerics.precision.suspects import Statistics


def spread_of_cosine(x: jax.Array) -> jax.Array:
    return (1.0 - jnp.cos(x)) / x**2


def spread_of_exponential(y: jax.Array) -> jax.Array:
    return (jnp.exp(y) - 1.0) / y


def cosine_first(x: jax.Array, y: jax.Array) -> jax.Array:
    a = spread_of_cosine(x)
    b = spread_of_exponential(y)
    return a + b


def exponential_first(x: jax.Array, y: jax.Array) -> jax.Array:
    b = spread_of_exponential(y)
    a = spread_of_cosine(x)
    return a + b


def found(fun: Callable[..., Any], *args: Any) -> list[tuple[str, str, str]]:
    """Severity, kind and function of each finding."""
    report = jaxkit.shadow(fun)(*args)
    return [(f.severity, f.kind, f.where.function) for f in report.findings if f.where]


def off(fun: Callable[..., Any], exact: float, arg: float) -> float:
    """How far a part is from what it should be."""
    return abs(float(jax.jit(fun)(jnp.float32(arg))) - exact)


@pytest.mark.parametrize("fun", [cosine_first, exponential_first])
def test_of_independent_lines_the_guiltier_comes_first_and_both_are_named(
    fun: Callable[..., Any],
) -> None:
    x, y = np.float32(6e-3), np.float32(1e-4)
    cosine = off(spread_of_cosine, 2 * np.sin(float(x) / 2) ** 2 / float(x) ** 2, x)
    exponential = off(spread_of_exponential, np.expm1(float(y)) / float(y), y)
    assert 0.1 < cosine / (cosine + exponential) < 0.3
    names = ["spread_of_exponential", "spread_of_cosine"]
    assert found(fun, x, y)[:2] == [("warning", "cancellation", name) for name in names]


@pytest.mark.parametrize("fun", [cosine_first, exponential_first])
def test_a_line_with_less_than_a_tenth_of_the_error_is_no_warning(fun: Callable[..., Any]) -> None:
    x, y = np.float32(2e-2), np.float32(1e-5)
    cosine = off(spread_of_cosine, 2 * np.sin(float(x) / 2) ** 2 / float(x) ** 2, x)
    exponential = off(spread_of_exponential, np.expm1(float(y)) / float(y), y)
    assert cosine / (cosine + exponential) < 0.1
    warned = [each for each in found(fun, x, y) if each[0] != "info"]
    assert warned == [("warning", "cancellation", "spread_of_exponential")]


def test_an_origin_is_mended_at_the_line_that_magnifies_it() -> None:
    def both(x: jax.Array, y: jax.Array) -> jax.Array:
        slope = spread_of_cosine(x)
        later = jnp.exp(y)
        return slope + (later - 1.0) / y

    findings = jaxkit.shadow(both)(np.float32(6e-3), np.float32(1e-4)).findings
    assert [f.severity for f in findings] == ["warning", "warning", "info"]
    guilty, also, origin = findings
    assert origin.where.line == guilty.where.line - 1
    assert origin.fix.startswith(f"mend line {guilty.where.line}, ")
    assert also.where.function == "spread_of_cosine"


def residual(w: jax.Array, x: jax.Array) -> jax.Array:
    h = 1e-3

    def second(x: jax.Array) -> jax.Array:
        return (jnp.tanh(w * (x + h)) - 2 * jnp.tanh(w * x) + jnp.tanh(w * (x - h))) / h**2

    noisy = second(x)
    return jnp.mean((noisy + jnp.tanh(w * x)) ** 2)


def variance_of_noise(x: jax.Array) -> jax.Array:
    def slope(x: jax.Array) -> jax.Array:
        return (jnp.exp(x) - 1.0) / x

    return jnp.var(slope(x))


@pytest.mark.parametrize(
    ("fun", "args", "guilty"),
    [
        (residual, (np.float32(0.7), np.linspace(-2, 2, 3000, dtype=np.float32)), "second"),
        (variance_of_noise, (np.linspace(1e-4, 1.1e-4, 4000, dtype=np.float32),), "slope"),
    ],
)
def test_who_makes_noise_is_to_blame_and_not_who_squares_it(
    fun: Callable[..., Any], args: Any, guilty: str
) -> None:
    severity, kind, where = found(fun, *args)[0]
    assert (kind, where.rpartition(".")[2]) == ("cancellation", guilty)
    assert severity in ("warning", "error")


def test_what_a_loop_carries_is_blamed_on_the_turn_before() -> None:
    def average(xs: jax.Array) -> jax.Array:
        def step(mean: jax.Array, x: jax.Array) -> tuple[jax.Array, None]:
            return mean + (x - mean) * jnp.bfloat16(0.002), None

        return jax.lax.scan(step, jnp.zeros((), jnp.bfloat16), xs)[0]

    [first, *_] = jaxkit.shadow(average)(jnp.ones(1000, jnp.bfloat16)).findings
    assert first.kind == "absorption"
    assert first.data["primitive"] == "add"


def test_of_many_lines_the_guiltiest_is_named_wherever_it_stands() -> None:
    def many(x: jax.Array) -> jax.Array:
        parts = [(1.0 - jnp.cos(x * (1 + 0.01 * i))) * 1e3 for i in range(5)]
        return sum(parts) + (jnp.exp(1e-3 * x) - 1.0) * 1e4

    report = jaxkit.shadow(many)(np.float32(7e-3))
    assert report.findings[0].fix == "jnp.expm1(x) in place of exp(x) - 1"


def series(x: Any) -> Any:
    def turning(state: Any) -> Any:
        k, term, _ = state
        return (jnp.abs(term) > 1e-9) & (k < 200)

    def step(state: Any) -> Any:
        k, term, total = state
        term = term * x / (k + 1)
        return k + 1, term, total + term

    return lax.while_loop(turning, step, (0.0, jnp.float32(1), jnp.float32(1)))[2]


def test_an_alternating_series_is_no_accumulation_of_roundings() -> None:
    x = jnp.float32(-10.5)
    finding = jaxkit.shadow(series)(x).findings[0]
    assert (finding.kind, finding.where.line) == (
        "cancellation",
        series.__code__.co_firstlineno + 8,
    )
    # The largest partial sum in magnitude, over exp(-10.5).
    sums = np.cumsum([(-10.5) ** k / math.factorial(k) for k in range(40)])
    assert f"{np.abs(sums).max() / math.exp(-10.5):.0e} times as large" in finding.message
    assert "1 / exp(x)" in finding.fix
    assert jaxkit.shadow(lambda x: 1 / series(-x))(x).ok  # as it says


@pytest.mark.parametrize(
    ("x", "kind"),  # the largest partial sum is 13.4 and 19.8 times what is left
    [(-2.3, "error-accumulation"), (-2.5, "cancellation")],
)
def test_a_sum_that_was_sixteen_times_as_large_on_the_way(x, kind) -> None:
    finding = jaxkit.shadow(series, rtol=1e-7)(jnp.float32(x)).findings[0]
    assert finding.kind == kind
    assert ("on the way" in finding.message) == (kind == "cancellation")


@pytest.mark.parametrize(
    ("sizes", "times"),
    [((1.0, 16.0, 2.0, 1.0), 16.0), ((16.5, 4.0, 0.0, 1.0), 16.5), ((0.0, 0.0), 1.0)],
)
def test_how_much_larger_a_sum_was_on_the_way(sizes, times) -> None:
    nothing = np.zeros(len(sizes))
    one = Statistics(None, 0.0, 0.0, *[nothing] * 5, np.array(sizes), (len(sizes),))
    assert one.shrinks == times
