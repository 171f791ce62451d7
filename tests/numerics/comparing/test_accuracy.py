"""Figures of accuracy, against NumPy's own spacing of numbers and by hand."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxkit.numerics.comparing.accuracy import Worst, accuracy_of, default_rtol

FINITE = st.floats(-1e30, 1e30, allow_nan=False, allow_subnormal=False)


@given(st.lists(st.tuples(FINITE, st.integers(-1000, 1000)), min_size=1, max_size=8))
def test_ulps_are_numpys_spacing(pairs: list[tuple[float, int]]) -> None:
    exact = np.float32([value for value, _ in pairs])
    exact = np.where(np.abs(exact) < 1e-30, np.float32(1), exact)
    steps = np.array([step for _, step in pairs])
    got = (exact.astype(np.float64) + steps * np.spacing(np.abs(exact)).astype(np.float64)).astype(
        np.float32
    )
    expected = np.abs(got.astype(np.float64) - exact) / np.spacing(np.abs(exact))
    found = accuracy_of(got, exact.astype(np.float64))
    assert found.max_ulps == pytest.approx(expected.max())
    assert found.median_ulps == pytest.approx(np.median(expected))


@pytest.mark.parametrize(
    ("dtype", "spacing"),
    [("float16", 2.0**-10), ("bfloat16", 2.0**-7), ("float8_e4m3fn", 2.0**-3)],
)
def test_ulps_of_other_dtypes(dtype: str, spacing: float) -> None:
    got = np.asarray([1.0], jnp.dtype(dtype))
    assert accuracy_of(got, np.float64([1 + spacing * 1.5])).max_ulps == 1.5
    assert default_rtol(got.dtype) == pytest.approx(spacing ** (2 / 3))


def test_below_the_smallest_normal_number_the_unit_stays() -> None:
    found = accuracy_of(np.float32([0.0, 1e-45]), np.float64([1e-40, 0.0]))
    tiny, eps = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).eps)
    assert found.max_ulps == pytest.approx(1e-40 / (tiny * eps))
    assert found.max_relative == 1.0


def test_an_error_of_few_values_counts_for_as_much_as_they_are() -> None:
    got = np.ones(1000, np.float32)
    exact = np.ones(1000)
    exact[7] = 1.01
    found = accuracy_of(got, exact)
    assert found.tail == pytest.approx(0.01 / 1.01 / 1000)
    assert found.max_relative == pytest.approx(0.01 / 1.01)
    assert found.norm_relative == pytest.approx(0.01 / math.sqrt(1000), rel=0.01)
    assert found.worst == Worst((7,), 1.0, 1.01)
    assert found.equal == 999


def test_zeros_have_no_relative_error() -> None:
    found = accuracy_of(np.float32([1e-6, 1.0, 0.0]), np.float64([0.0, 1.0, 0.0]))
    assert (found.max_relative, found.zeros) == (0.0, 1)
    assert found.at_zero == pytest.approx(1e-6)
    assert found.tail == pytest.approx(1e-6 / 3)
    nothing = accuracy_of(np.float32([1e-6]), np.float64([0.0]))
    assert (nothing.max_relative, nothing.norm_relative, nothing.tail) == (None, None, 0.0)
    assert nothing.digits(np.dtype("float32")) is None
    # Twice the same formula: what double precision leaves of a zero is its own rounding error.
    noise = accuracy_of(np.float32([1e-6]), np.float64([3e-15]))
    assert (noise.max_relative, noise.zeros) == (None, 1)


def test_what_is_not_finite() -> None:
    nan, inf = math.nan, math.inf
    got = np.float32([nan, inf, 1, nan, inf, inf, 2])
    found = accuracy_of(got, np.float64([nan, inf, inf, 1, -inf, 1, 2]))
    assert (found.nonfinite, found.gained, found.lost, found.confused) == (2, 1, 2, 1)
    assert (found.compared, found.equal, found.max_ulps) == (1, 3, 0.0)
    assert found.worst is not None
    assert found.worst.index == (2,)
    assert accuracy_of(np.float32([nan]), np.float64([nan])).worst is None


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_nothing_at_all(shape: tuple[int, ...]) -> None:
    found = accuracy_of(np.zeros(shape, np.float32), np.zeros(shape))
    assert (found.size, found.max_ulps, found.worst, found.tail) == (0, None, None, 0.0)


def test_complex_numbers_and_digits() -> None:
    found = accuracy_of(np.complex64([3 + 4j]), np.complex128([3 + 4.005j]))
    assert found.max_relative == pytest.approx(0.005 / abs(3 + 4.005j))
    digits: Any = found.digits(np.dtype("complex64"))
    assert digits == pytest.approx(-math.log10(0.005 / abs(3 + 4.005j)))
    exact = accuracy_of(np.float32([2.0]), np.float64([2.0]))
    assert exact.digits(np.dtype("float32")) == pytest.approx(7.22, abs=0.01)
    wrong = accuracy_of(np.float32([2.0]), np.float64([-2.0]))
    assert wrong.digits(np.dtype("float32")) == 0.0
