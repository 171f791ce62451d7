"""Effects of a program take place once: what its shadow gets from them is what the program got."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import io_callback

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.nesting import nested

__all__ = ["SILENT", "Tape", "has_effects"]

# What gives nothing back.
SILENT = frozenset(("debug_callback", "debug_print"))


def has_effects(closed: Any) -> bool:
    """Whether a program calls what must not be called again, and uses what that returns."""
    stack, seen = [closed], set[int]()
    while stack:
        jaxpr = jaxprs.open_jaxpr(stack.pop())
        if id(jaxpr) in seen:
            continue
        seen.add(id(jaxpr))
        for eqn in jaxpr.eqns:
            if eqn.primitive.name == "io_callback":
                return True
            stack += [each.closed for each in nested(eqn) if each.role != "combiner"]
    return False


class Tape:
    """What the callbacks of a program returned, call by call.

    A program that records ends before one that replays begins.
    """

    def __init__(self) -> None:
        self._kept: dict[int, list[Any]] = {}
        self._played: dict[int, int] = {}

    def clear(self) -> None:
        """Forgets what has been recorded: another run begins."""
        self._kept.clear()
        self._played.clear()

    def record(self, eqn: Any, operands: Sequence[Any]) -> list[Any]:
        """Calls back, and keeps what is returned."""

        def call(*values: Any) -> Any:
            found = [np.asarray(value) for value in eqn.params["callback"](*values)]
            self._kept.setdefault(id(eqn), []).append(found)
            return found

        return self._bind(call, eqn, operands, ordered=eqn.params["ordered"])

    def replay(self, eqn: Any, operands: Sequence[Any]) -> list[Any]:
        """Gives what was returned to the program; of calls that it did not make, the last."""

        def call(*_: Any) -> Any:
            kept = self._kept.get(id(eqn))
            number = self._played[id(eqn)] = self._played.get(id(eqn), -1) + 1
            if not kept:
                return [np.zeros(var.aval.shape, var.aval.dtype) for var in eqn.outvars]
            return kept[min(number, len(kept) - 1)]

        return self._bind(call, eqn, operands, ordered=eqn.params["ordered"])

    def _bind(self, call: Any, eqn: Any, operands: Sequence[Any], *, ordered: bool) -> list[Any]:
        shapes = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in eqn.outvars]
        with jaxprs.place_of(eqn):
            return list(io_callback(call, shapes, *operands, ordered=ordered))
