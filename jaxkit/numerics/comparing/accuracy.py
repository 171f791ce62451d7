"""How far an array is from the same in double precision: pure NumPy, nothing is judged here.

A *unit in the last place* (ulp) is the distance between the reference value and the next larger
number of the array's own dtype; below the smallest normal number it stays that of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

__all__ = ["Accuracy", "Worst", "accuracy_of", "default_rtol"]

# A reference that is less than this many of its own rounding errors is none: the two runs round
# in the same places, so that the reference's error is about the other's, times eps64/eps.
_NOISE = 8.0


@dataclass(frozen=True)
class Worst:
    """The element with the largest error: in ulps, or of those that are not finite the first."""

    index: tuple[int, ...]
    got: Any
    expected: Any


@dataclass(frozen=True)
class Accuracy:
    """How far the values of one array are from those of the reference.

    Attributes:
        size: How many values there are.
        compared: Of how many the error is a number: both sides are finite.
        equal: How many are the reference, rounded once.
        max_ulps, median_ulps: Of the error, in units in the last place; None if none is compared.
        max_relative: The largest error relative to its value, where that is not zero.
        norm_relative: The norm of the error relative to that of the reference; None if that is 0.
        tail: The largest ``e_k * k/n``, ``e_1 >= e_2 >= ...`` being the relative errors of the n
            values that are compared: an error of few values counts for as much as they are.
        zeros: How many values have a reference of zero, or of nothing but rounding errors, and
            are not zero: of them there is no relative error.
        at_zero: The largest magnitude among those.
        lost: How many are not finite where the reference is.
        gained: How many are finite where the reference is not.
        confused: How many are not finite otherwise than the reference: NaN for Inf, Inf for -Inf.
        nonfinite: How many are not finite in the same way as the reference.
        worst: The worst element; None where all are equal.
    """

    size: int
    compared: int = 0
    equal: int = 0
    max_ulps: float | None = None
    median_ulps: float | None = None
    max_relative: float | None = None
    norm_relative: float | None = None
    tail: float = 0.0
    zeros: int = 0
    at_zero: float = 0.0
    lost: int = 0
    gained: int = 0
    confused: int = 0
    nonfinite: int = 0
    worst: Worst | None = None

    def digits(self, dtype: Any) -> float | None:
        """Correct decimal digits, by the norm; of all that the dtype has where nothing is off."""
        if self.norm_relative is None:
            return None
        all_of_them = -math.log10(float(jnp.finfo(dtype).eps) / 2)
        if self.norm_relative <= 0:
            return all_of_them
        return min(max(-math.log10(self.norm_relative), 0.0), all_of_them)


def default_rtol(dtype: Any) -> float:
    """``eps ** (2/3)``: two thirds of the digits are right. 2.4e-5 of f32, 3.9e-2 of bf16."""
    return float(jnp.finfo(dtype).eps) ** (2 / 3)


def accuracy_of(got: Any, expected: Any) -> Accuracy:
    """Compares an array of floats, or of complex numbers, with the same in double precision.

    Example:
        >>> import numpy as np
        >>> found = accuracy_of(np.float32([1.0, 1.0000004]), np.float64([1.0, 1.0]))
        >>> found.max_ulps, found.equal
        (3.0, 1)

    Args:
        got: The array.
        expected: The reference: the same shape, f64 or c128.
    """
    dtype = got.dtype
    a, b = _wide(got), _wide(expected)
    if not a.size:
        return Accuracy(0)
    with np.errstate(all="ignore"):
        fine_a, fine_b = np.isfinite(a), np.isfinite(b)
        both = fine_a & fine_b
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        found = {
            "size": a.size,
            "lost": int((~fine_a & fine_b).sum()),
            "gained": int((fine_a & ~fine_b).sum()),
            "confused": int((~fine_a & ~fine_b & ~same).sum()),
            "nonfinite": int((~fine_a & ~fine_b & same).sum()),
        }
        if both.any():
            found |= _of_finite(a[both], b[both], dtype)
        found["equal"] = found.get("equal", 0) + found["nonfinite"]
        return Accuracy(**found, worst=_worst(a, b, same, both, dtype))


def _of_finite(a: np.ndarray, b: np.ndarray, dtype: Any) -> dict[str, Any]:
    error, size = np.abs(a - b), np.abs(b)
    ulps = error / _ulp(size, dtype)
    norm = _norm(size)
    nothing = _is_noise(error, size, dtype)
    zeros = nothing & (error > 0)
    # What should be zero is judged by the magnitude of what should not.
    usual = _norm(np.where(nothing, 0.0, size)) / math.sqrt(max((~nothing).sum(), 1))
    relative = error / np.where(nothing, usual or np.inf, size)
    ordered = np.sort(relative)[::-1]
    judged = relative[~nothing]
    return {
        "compared": a.size,
        "equal": int((ulps <= 0.5).sum()),
        "max_ulps": float(ulps.max()),
        "median_ulps": float(np.median(ulps)),
        "max_relative": float(judged.max()) if judged.size else None,
        "norm_relative": _norm(error) / norm if not nothing.all() else None,
        "tail": float((ordered * (np.arange(a.size) + 1) / a.size).max()),
        "zeros": int(zeros.sum()),
        "at_zero": float(np.abs(a[zeros]).max()) if zeros.any() else 0.0,
    }


def _is_noise(error: np.ndarray, size: np.ndarray, dtype: Any) -> np.ndarray:
    """Where the reference is zero, or has no digits of its own."""
    ratio = np.finfo(np.float64).eps / float(jnp.finfo(dtype).eps)
    return (size == 0) | ((ratio < 1) & (size <= _NOISE * ratio * error))


def _worst(a: np.ndarray, b: np.ndarray, same: np.ndarray, both: np.ndarray, dtype: Any) -> Any:
    if same.all():
        return None
    ulps = np.where(both, np.abs(a - b) / _ulp(np.abs(b), dtype), np.where(same, 0.0, np.inf))
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(ulps)), a.shape))
    return Worst(index, a[index].item(), b[index].item())


def _ulp(size: np.ndarray, dtype: Any) -> np.ndarray:
    """The distance between numbers of a dtype at a magnitude."""
    info = jnp.finfo(dtype)
    # The exponent as frexp has it is that of a value in [0.5, 1).
    exponent = np.maximum(np.frexp(size)[1] - 1, int(np.frexp(float(info.tiny))[1]) - 1)
    return np.ldexp(1.0, exponent - int(info.nmant))


def _norm(values: np.ndarray) -> float:
    largest = float(values.max())
    if not largest or not math.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.sum((values / largest) ** 2)))


def _wide(array: Any) -> np.ndarray:
    array = np.asarray(array)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
