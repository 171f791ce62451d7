"""Which numbers may be drawn: bounds, and the values that need asking for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

__all__ = ["Limits"]

# Numbers stay this close to zero unless bounds say otherwise.
_MODERATE = 1000.0


@dataclass(frozen=True)
class Limits:
    """The numbers that an array may hold.

    Args:
        min_value: The least number; of a complex number, of each of its parts.
        max_value: The greatest.
        allow_nan: Whether NaN is drawn, in types that have it.
        allow_inf: Whether infinities are drawn, in types that have them, whatever the bounds.
        allow_subnormal: Whether numbers are drawn that XLA may flush to zero.

    Raises:
        TypeError: A bound that is no number.
        ValueError: A bound that is NaN or infinite, or a least number above the greatest.
    """

    min_value: float | None = None
    max_value: float | None = None
    allow_nan: bool = False
    allow_inf: bool = False
    allow_subnormal: bool = False

    def __post_init__(self) -> None:
        for name in ("min_value", "max_value"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise TypeError(f"{name} must be a number or None, got {name}={value!r}")
            if not math.isfinite(value):
                raise ValueError(
                    f"{name} must be finite, got {name}={value}; "
                    "allow_inf=True draws infinities as well"
                )
        low, high = self.min_value, self.max_value
        if low is not None and high is not None and low > high:
            raise ValueError(
                f"min_value must not exceed max_value, got min_value={low}, max_value={high}"
            )

    def of_floats(self, dtype: np.dtype) -> tuple[float, float]:
        """The least and the greatest number of a floating type.

        Without bounds, squares stay finite and nothing exceeds 1000 in magnitude.
        """
        greatest = float(jnp.finfo(dtype).max)
        return self._bounds(min(_MODERATE, math.sqrt(greatest)), -greatest, greatest, dtype)

    def of_integers(self, dtype: np.dtype) -> tuple[int, int]:
        """The least and the greatest number of an integer type."""
        info = jnp.iinfo(dtype)
        low, high = self._bounds(int(_MODERATE), int(info.min), int(info.max), dtype)
        if math.ceil(low) > math.floor(high):
            raise self.nothing_between(dtype)
        return math.ceil(low), math.floor(high)

    def _bounds(self, usual: float, least: float, most: float, dtype: np.dtype) -> tuple:
        """What is asked for, as far as the type has it; the usual on a side left open."""
        low, high = self.min_value, self.max_value
        if low is None:
            low = -usual if high is None or high > -usual else 2 * high
        if high is None:
            high = usual if low < usual else 2 * low
        if low > most or high < least:
            raise self.nothing_between(dtype)
        return max(low, least), min(high, most)

    def nothing_between(self, dtype: np.dtype) -> ValueError:
        """What to raise where no number of a type is within the limits."""
        return ValueError(
            f"{dtype} has no number that min_value={self.min_value}, max_value={self.max_value} "
            "and allow_subnormal admit: widen the bounds or draw another dtype"
        )
