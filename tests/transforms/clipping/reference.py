"""What clipping means, in exact arithmetic: slow, and with no range to leave."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np


def entries(arrays: Sequence[Any]) -> list[Fraction]:
    """Real and imaginary parts as exact numbers."""
    flat = [np.asarray(array).ravel() for array in arrays]
    parts = [np.concatenate([x.real, x.imag]) if np.iscomplexobj(x) else x for x in flat]
    return [Fraction(float(value)) for part in parts for value in part]


def root(square: Fraction) -> Fraction:
    """The square root to 30 digits more than a double has."""
    if not square:
        return Fraction(0)
    shift = 2 * (200 + max(0, square.denominator.bit_length() - square.numerator.bit_length()))
    return Fraction(math.isqrt((square.numerator << shift) // square.denominator), 1 << shift // 2)


def norm(arrays: Sequence[Any]) -> Fraction:
    return root(sum((value * value for value in entries(arrays)), Fraction(0)))


def as_float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def scaled(array: Any, factor: Fraction) -> np.ndarray[Any, Any]:
    """An array times a factor, in float64 or complex128."""
    array = np.asarray(array)
    if np.iscomplexobj(array):
        return scaled(array.real, factor) + 1j * scaled(array.imag, factor)
    values = [as_float(Fraction(float(value)) * factor) for value in array.ravel()]
    return np.asarray(values, np.float64).reshape(array.shape)


def clip(arrays: Sequence[Any], limit: float) -> tuple[list[np.ndarray[Any, Any]], Fraction]:
    """All arrays scaled so that their norm is at most the limit, and their norm."""
    found = norm(arrays)
    bound = Fraction(float(limit))
    factor = bound / found if found > bound else Fraction(1)
    return [scaled(array, factor) for array in arrays], found
