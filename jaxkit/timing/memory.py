"""How much of a device's memory a call takes, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from jaxkit._jax.jitted import is_jitted
from jaxkit.jaxpr.units import bytes_text
from jaxkit.timing.arguments import Arguments

__all__ = ["Memory", "memory_of"]


@dataclass(frozen=True, slots=True)
class Memory:
    """A figure of memory.

    Attributes:
        nbytes: At the worst moment.
        source: Who says so: the device's peak, or an estimate from the compiled program.
    """

    nbytes: int
    source: str

    @property
    def text(self) -> str:
        """For people."""
        return bytes_text(self.nbytes)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"bytes": self.nbytes, "source": self.source}


def memory_of(fun: Any, given: Arguments) -> Memory | None:
    """What one call takes at its worst moment; None where nobody knows.

    Args:
        fun: The function, which has been called.
        given: Its arguments.
    """
    device = _peak_of_device()
    if device is not None:
        return device
    if not is_jitted(fun):
        return None
    try:
        args, kwargs = given.args, given.kwargs
        found = fun.lower(*args, **kwargs).compile().memory_analysis()
        total = found.temp_size_in_bytes + found.argument_size_in_bytes
        total += found.output_size_in_bytes - found.alias_size_in_bytes
    except Exception:  # a backend without such figures
        return None
    return Memory(int(total), "estimate: the compiled program's arguments, results and temporaries")


def _peak_of_device() -> Memory | None:
    """The most that this process has had in use; None where the backend does not count."""
    stats: Any = None
    try:
        stats = jax.devices()[0].memory_stats()
    except Exception:
        return None
    peak = (stats or {}).get("peak_bytes_in_use")
    if not peak:
        return None
    return Memory(int(peak), "the device's peak since the process began")
