"""Seconds and rates for people."""

from __future__ import annotations

import math

__all__ = ["interval_text", "rate_text", "ratio_text", "seconds_text"]

_UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))


def seconds_text(value: float) -> str:
    """``1.24 ms``, ``8.1 us``: three digits.

    Example:
        >>> seconds_text(0.00123456), seconds_text(12.3456), seconds_text(0.0)
        ('1.23 ms', '12.3 s', '0 s')
    """
    if not math.isfinite(value):
        return "unknown"
    if value == 0:
        return "0 s"
    unit, size = next((each for each in _UNITS if abs(value) >= each[1] * 0.9995), _UNITS[-1])
    return f"{_digits(value / size)} {unit}"


def interval_text(low: float, high: float) -> str:
    """``1.22 - 1.26 ms``, both ends in the unit of the higher one.

    Example:
        >>> interval_text(0.00122, 0.00126), interval_text(0.0, math.inf)
        ('1.22 - 1.26 ms', 'unknown')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return "unknown"
    text = seconds_text(high)
    unit = text.split()[1]
    return f"{_digits(low / dict(_UNITS)[unit])} - {text}"


def ratio_text(value: float) -> str:
    """``1.204``, ``12.0``.

    Example:
        >>> ratio_text(1.20449), ratio_text(12.04)
        ('1.204', '12.0')
    """
    if not math.isfinite(value):
        return "unknown"
    return f"{value:.3f}" if value < 10 else _digits(value)


def rate_text(value: float, unit: str) -> str:
    """``12.5 M items/s``, ``3.1 GFLOP/s``: powers of 1000.

    Example:
        >>> rate_text(12_500_000.0, " items/s"), rate_text(3.1e9, "FLOP/s")
        ('12.5 M items/s', '3.10 GFLOP/s')
    """
    prefixes = ("", "k", "M", "G", "T", "P", "E")
    power = 0
    while value >= 999.5 and power < len(prefixes) - 1:
        value /= 1000
        power += 1
    return f"{_digits(value)} {prefixes[power]}{unit}"


def _digits(value: float) -> str:
    """Three of them, but no exponent and no rounding of what stands before the point."""
    size = abs(value)
    if size >= 99.95:
        return f"{value:.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.0995 else f"{value:.2g}"
