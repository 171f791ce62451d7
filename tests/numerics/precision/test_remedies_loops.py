"""What is advised on additions in loops, and on roundings outside of them."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest
from jax import lax

from jaxkit.numerics.precision.patterns import ADDS
from jaxkit.numerics.precision.remedies import remedy
from tests.numerics.precision.test_remedies import taps_of
from tests.numerics.precision.test_remedies_kinds import diagnosed

X = jnp.arange(1.0, 5.0)


def gain(p, r):
    return lax.fori_loop(0, 5, lambda _, p: p / (p + r) * r, p)


def clock(t, dt):
    return lax.fori_loop(0, 5, lambda _, t: t + dt, t)


def two_steps(t, dt):
    return lax.fori_loop(0, 5, lambda _, t: (t + dt) + 1.5 * dt, t)


def kept(t, dt):
    return lax.fori_loop(0, 5, lambda i, t: jnp.where(i > 2, t + dt, t), t)


def forgotten(t, dt):
    return lax.fori_loop(0, 5, lambda _, t: jnp.sin(t + dt), t)


@pytest.mark.parametrize(
    ("fun", "is_sum"),
    [
        (clock, True),
        (two_steps, True),
        (kept, True),
        (gain, False),
        (forgotten, False),
    ],
)
@pytest.mark.parametrize("kind", ["absorption", "error-accumulation"])
def test_a_running_sum_is_what_is_carried_on(fun: Any, is_sum: bool, kind: str) -> None:
    adds = [tap for tap in taps_of(fun, 1.0, 1e-3) if tap.primitive in ADDS]
    for tap in adds:
        text = remedy(kind, tap, diagnosed(1e-7, [1.0, 1e-3], 1.0))
        assert ("Kahan" in text) == is_sum


def test_half_precision_is_left_where_the_sum_is_carried() -> None:
    args = jnp.float16(1), jnp.float16(1e-3)
    for fun, text in ((clock, "carry the sum in float32"), (gain, "carry what the loop computes")):
        tap = next(tap for tap in taps_of(fun, *args) if tap.primitive in ADDS)
        assert remedy("absorption", tap, diagnosed(1e-4, [1.0, 1e-3], 1.0)).startswith(text)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_one_rounding_is_not_that_of_many_steps(dtype: Any) -> None:
    [tap] = taps_of(lambda x: x * x, X.astype(dtype))
    text = remedy("error-accumulation", tap, diagnosed(1e-7, [1.0, 1.0], 1.0))
    more = "float64" if dtype == jnp.float32 else "float32"
    assert text == (
        "this is rounded as everything is: compute it, and what it is made of, in more digits "
        f"({more})"
    )


def test_in_a_loop_roundings_add_up() -> None:
    taps = taps_of(lambda x: lax.fori_loop(0, 9, lambda _, x: x * x, x), X)
    text = remedy("error-accumulation", taps[0], diagnosed(1e-7, [1.0, 1.0], 1.0))
    assert text.startswith("errors of many steps add up")
