"""A derivative in forward mode is named after what it is the derivative of."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxkit import nan_origin

THERE = "in the derivative of this line"


def tangent(fun: Any, x: float) -> Any:
    return nan_origin(lambda x: jax.jvp(fun, (x,), (jnp.ones_like(x),))[1])(jnp.float32(x))


@pytest.mark.parametrize(
    ("fun", "x", "reason", "fix"),
    [
        (jnp.arccos, 1.0, "the derivative of arccos is infinite at -1 and 1", "jnp.clip(x, -1 +"),
        (jnp.arcsin, -1.0, "the derivative of arcsin is infinite at -1 and 1", "jnp.clip(x, -1 +"),
        (jnp.sqrt, 0.0, "the derivative of sqrt is infinite at 0", "under the root"),
        (jnp.linalg.norm, 0.0, "the derivative of sqrt is infinite at 0", "under the root"),
        (jnp.cbrt, 0.0, "the derivative of cbrt is infinite at 0", "keep 0 out of it"),
        (lambda x: x**0.25, 0.0, "the derivative of a power is infinite", "keep 0 out of it"),
        (lambda x: jnp.arctan2(x, x), 0.0, "the derivative of arctan2 is 0 / 0", "both operands"),
    ],
)
def test_an_infinite_derivative(fun: Any, x: float, reason: str, fix: str) -> None:
    first = tangent(fun, x).findings[0]
    assert reason in first.message
    assert THERE in first.message
    assert fix in (first.fix or "")
    assert first.data["phase"] == "forward"


@pytest.mark.parametrize(
    ("fun", "x"),
    [
        (lambda x: jnp.arccos(x) * lax.rsqrt(x), 0.0),
        (lambda x: jnp.arccos(x) / x, 0.0),
        (lambda x: x**2.5 / x, 0.0),
        (lambda x: jnp.sqrt(x + 1) / x, 0.0),
    ],
)
def test_an_operation_beside_one_that_is_steep_elsewhere(fun: Any, x: float) -> None:
    first = tangent(fun, x).findings[0]
    assert THERE not in first.message
    assert "infinite at" not in first.message


def test_in_reverse_it_is_the_backward_pass() -> None:
    first = nan_origin(jax.grad(lambda x: jnp.arccos(x)))(1.0).findings[0]
    assert THERE not in first.message
    assert "the derivative of arccos is infinite at -1 and 1" in first.message


def test_a_where_discards_derivatives_in_forward_mode_too() -> None:
    def guarded(x: Any) -> Any:
        return jnp.where(x > 0, jnp.sqrt(x), 0.0)

    assert tangent(guarded, 0.0).findings == ()
    wrong = tangent(lambda x: jnp.where(x < 1, jnp.sqrt(x), 0.0), 0.0).findings[0]
    assert "where in line" not in wrong.message
    assert "the derivative of sqrt is infinite at 0" in wrong.message


def test_zero_is_not_advised_for_a_quotient_that_has_another_limit() -> None:
    fix = nan_origin(lambda x: 1.0 / x)(jnp.float32(0)).findings[0].fix or ""
    assert "0.0)" not in fix
    assert "what the result has to be there" in fix
