"""Figures for people: GFLOP, MiB, counts."""

from __future__ import annotations

_FLOPS = ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP")
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def flops_text(n: int) -> str:
    """``512 FLOP``, ``1.18 MFLOP``: powers of 1000.

    Example:
      >>> flops_text(1_179_648)
      '1.18 MFLOP'
    """
    return _scaled(n, 1000, _FLOPS)


def bytes_text(n: int) -> str:
    """``12 B``, ``1.50 MiB``: powers of 1024.

    Example:
      >>> bytes_text(3 << 19)
      '1.50 MiB'
    """
    return _scaled(n, 1024, _BYTES)


def share_text(part: int, whole: int) -> str:
    """``42%``, ``<1%``; nothing where there is no whole.

    Example:
      >>> share_text(1, 3)
      '33%'
    """
    if not whole:
        return ""
    share = 100 * part / whole
    return "<1%" if 0 < share < 1 else f"{share:.0f}%"


def _scaled(n: int, step: int, names: tuple[str, ...]) -> str:
    if n < step:
        return f"{n} {names[0]}"
    power = 0
    value: float = n
    while value >= step * 0.9995 and power < len(names) - 1:
        value /= step
        power += 1
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {names[power]}"
