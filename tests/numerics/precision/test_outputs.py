"""Step 0 of `shadow`: the cheap sums let pass what the full statistics let pass, and no more."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxkit._jax.x64 import with_x64
from jaxkit.numerics.precision.outputs import Leaf, compare_outputs, compare_program, glance

RTOL, TINY = 1e-3, 1e-30
GLANCE = jax.jit(lambda out, wide: glance([(out, wide)], [(RTOL, TINY)]))
IN_FULL = compare_program(RTOL, TINY)


def judged(out: np.ndarray, wide: np.ndarray) -> tuple[Leaf, bool]:
    """The verdict, and whether it took the full statistics."""
    asked = []

    def closely(place: int, out: np.ndarray, wide: np.ndarray) -> np.ndarray:
        asked.append(place)
        return IN_FULL(out, wide)

    with with_x64():
        table = GLANCE(out, wide).tolist()
        [leaf] = compare_outputs(table, [(0, "output", RTOL, TINY)], [out], [wide], closely)
    return leaf, bool(asked)


def in_full(out: np.ndarray, wide: np.ndarray) -> str:
    """The verdict of the definition: the norm, then the worst share times error."""
    error, size = np.abs(out - wide), np.abs(wide)
    if np.sqrt((error**2).sum()) > RTOL * np.sqrt((size**2).sum()):
        return "wrong"
    relative = np.sort(np.minimum(error / np.maximum(size, TINY), 1))[::-1]
    share = np.arange(1, relative.size + 1) / relative.size
    return "tail" if (relative * share).max() > RTOL else "fine"


@given(
    st.sampled_from([1, 2, 7, 64, 300]),  # each is compiled for
    st.floats(-8, 0),
    st.floats(-8, 0),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_the_verdict_is_that_of_the_definition(number, small, large, share, seed) -> None:
    rng = np.random.default_rng(seed)
    wide = rng.normal(size=number) * 10 ** rng.uniform(-3, 3, number)
    errors = np.where(rng.random(number) < share, 10**large, 10**small)
    out = wide * (1 + errors * rng.choice([-1, 1], number))
    assert judged(out, wide)[0].verdict == in_full(out, wide)


@pytest.mark.parametrize(
    ("error", "verdict"), [(0.0, "fine"), (0.99 * RTOL, "fine"), (1.01 * RTOL, "wrong")]
)
def test_an_error_of_all_elements_on_both_sides_of_the_limit(error: float, verdict: str) -> None:
    wide = np.linspace(1, 2, 64)
    leaf, closely = judged(wide * (1 + error), wide)
    assert leaf.verdict == verdict
    assert closely == (verdict != "fine")
    assert leaf.norm == pytest.approx(error, abs=1e-12)


def test_one_element_that_is_off_is_looked_at_closely() -> None:
    wide = np.concatenate([[1e-6], np.ones(499)])
    leaf, closely = judged(wide * (1 + np.eye(500)[0]), wide)
    assert (leaf.verdict, closely) == ("tail", True)  # 1 / 500 of the elements by all of it
    leaf, closely = judged(np.tile(wide, 1) * (1 + 0.4 * np.eye(500)[0]), wide)
    assert (leaf.verdict, closely) == ("fine", False)


@pytest.mark.parametrize("what", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["out", "wide", "both"])
def test_what_is_not_finite_is_looked_at_closely(what: float, where: str) -> None:
    out, wide = np.ones(8), np.ones(8)
    for array in {"out": [out], "wide": [wide], "both": [out, wide]}[where]:
        array[3] = what
    leaf, closely = judged(out, wide)
    assert (leaf.finite, closely) == ("fine", True)
    # What is finite and in double precision is not, is counted: it can be compared with nothing.
    assert leaf.verdict == ("fine" if where == "wide" else "nonfinite")
    assert leaf.apart == (1 if where == "wide" else 0)


def test_squares_that_underflow_are_looked_at_closely() -> None:
    wide = np.full(8, 1e-200)
    assert judged(wide * (1 + 2 * RTOL), wide)[1]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
def test_scalars_and_empty_outputs(shape: tuple[int, ...]) -> None:
    out = np.ones(shape)
    leaf, closely = judged(out, out)
    assert (leaf.verdict, leaf.norm, leaf.tail, closely) == ("fine", 0.0, 0.0, False)
    assert jax.config.jax_enable_x64 is False
