"""What an attribution must store, before it runs."""

from __future__ import annotations

import contextlib
import math
import os
from typing import Any

import numpy as np

from jaxkit._jax import jaxprs
from jaxkit.errors import UsageError
from jaxkit.jaxpr.units import bytes_text
from jaxkit.numerics.precision.plan import Frame, Loop, Tap

__all__ = ["bytes_of", "free_bytes", "refuse_too_much", "retain_freed"]

# Of each element of a measured result its value, its error, and what of it is made there; of what
# a loop carries the program's value and the shadow's.
_MEASURED, _CARRIED = 24, 12

# The largest block that glibc learns from; see mallopt(3).
_LEARNED = (32 << 20) - (64 << 10)


def bytes_of(frame: Frame) -> int:
    """The most that a reverse pass over a plan stores at once: an estimate.

    A loop stores what it carries from turn to turn, and one turn at a time what is measured in it.
    """
    own = sum(_MEASURED * _elements(tap) for tap in frame.taps if tap.looked_at)
    loops, most = 0, 0
    for each in frame.inner:
        inner = max((bytes_of(body) for body in each.frames()), default=0)
        if isinstance(each, Loop):
            loops += _CARRIED * each.length * _carried(each.eqn)
            most = max(most, inner)
        else:
            own += inner
    return own + loops + most


def _elements(tap: Tap) -> int:
    return sum(math.prod(var.aval.shape) for var in tap.eqn.outvars)


def _carried(eqn: Any) -> int:
    if eqn.primitive.name == "scan":
        parts = jaxprs.scan_parts(eqn)
        held = eqn.invars[parts.constants : parts.constants + parts.carry]
    else:
        held = eqn.outvars
    return sum(math.prod(getattr(atom.aval, "shape", ())) for atom in held)


def free_bytes() -> int | None:
    """The memory of the host that is not in use; None where the system does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def refuse_too_much(frame: Frame, output: str) -> None:
    """Raises where an attribution would take more than half of the memory that is free."""
    needed, free = bytes_of(frame), free_bytes()
    if free is not None and needed > free / 2:
        raise UsageError(
            f"to say which line {output} loses its digits at, shadow would need about "
            f"{bytes_text(needed)} of memory, more than half of the {bytes_text(free)} that are "
            "free: call it on a smaller batch or on fewer steps, or look at a part of the function "
            'with where=, as in jaxkit.shadow(f, where="encoder")'
        )


def retain_freed(nbytes: int) -> None:
    """Has the allocator keep what a call frees for the next one.

    glibc returns the end of its heap to the system where more than twice the largest block it ever
    unmapped is free there. The outputs of a shadow are many blocks of middle size that are freed
    together: in half of the processes each call then touched all of their pages anew (1,500 page
    faults, a quarter of what the shadow of a step of 2 ms takes). A block of that size, freed
    without being touched, tells glibc better, as any array of the user's of that size does; other
    allocators take no notice.

    Args:
        nbytes: What a call frees.
    """
    with contextlib.suppress(MemoryError):  # it would not be freed either
        np.empty(min(nbytes, _LEARNED), np.uint8)
