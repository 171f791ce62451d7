"""Effects of a program take place once: what its shadow gets from them is what the program got."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import io_callback

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.nesting import nested
from jaxkit.jaxpr.rule import Equation

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
        # By equation and device.
        self._kept: dict[tuple[int, int], list[Any]] = {}
        self._played: dict[tuple[int, int], int] = {}

    def clear(self) -> None:
        """Forgets what has been recorded: another run begins."""
        self._kept.clear()
        self._played.clear()

    def record(self, at: Equation, operands: Sequence[Any]) -> list[Any]:
        """Calls back, and keeps what is returned."""
        eqn = at.eqn

        def call(device: Any, *values: Any) -> Any:
            found = [np.asarray(value) for value in eqn.params["callback"](*values)]
            self._kept.setdefault((id(eqn), int(device)), []).append(found)
            return found

        return self._bind(call, at, operands)

    def replay(self, at: Equation, operands: Sequence[Any]) -> list[Any]:
        """Gives what was returned to the program; of calls that it did not make, the last."""
        eqn = at.eqn

        def call(device: Any, *_: Any) -> Any:
            key = id(eqn), int(device)
            kept = self._kept.get(key)
            number = self._played[key] = self._played.get(key, -1) + 1
            if not kept:
                return [np.zeros(var.aval.shape, var.aval.dtype) for var in eqn.outvars]
            return kept[min(number, len(kept) - 1)]

        return self._bind(call, at, operands)

    def _bind(self, call: Any, at: Equation, operands: Sequence[Any]) -> list[Any]:
        shapes = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in at.eqn.outvars]
        with jaxprs.place_of(at.eqn):
            ordered = at.params["ordered"]
            return list(io_callback(call, shapes, _device(at), *operands, ordered=ordered))


def _device(at: Equation) -> Any:
    """The number of the device inside of a `shard_map`; 0 elsewhere."""
    mapped = [eqn for eqn in at.outer if eqn.primitive.name == "shard_map"]
    axes = [axis for eqn in mapped for axis in jaxprs.manual_axes(eqn)]
    return jax.lax.axis_index(tuple(axes)) if axes else 0
