"""The rule that brings the operands of one event to the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxkit._jax import jaxprs
from jaxkit.jaxpr import Equation
from jaxkit.numerics._devices import of_one
from jaxkit.numerics.nonfinite.tracing import Clock, Counting

__all__ = ["Capture"]


class Capture(Counting):
    """Evaluates the program as it is, and keeps the operands and results of one event.

    The state is (clock, what was kept).

    Args:
        eqn: The equation.
        number: The number of the event, as `Origins` counts them.
        first: The number that the clock begins with.
        barriers: As `Counting` has them.
        choosing: As `Counting` has it.
    """

    def __init__(
        self, eqn: Any, number: Any, first: int, *, barriers: bool, choosing: bool = False
    ) -> None:
        super().__init__(barriers=barriers, choosing=choosing)
        self.eqn = eqn
        self.number = number
        self.first = first

    def start(self) -> Any:
        """Before the first equation."""
        atoms = [*self.eqn.invars, *self.eqn.outvars]
        kept = [jnp.zeros(a.aval.shape, a.aval.dtype) if _is_kept(a) else () for a in atoms]
        return Clock.start(self.first), kept

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        """Evaluates it, and keeps what goes in and out if it is the one."""
        outs = self.run_quietly(at, boxes)
        if not self.makes(at):
            return outs
        hit = self.next(at) == self.number
        if at.eqn is self.eqn:
            clock, kept = at.state
            now = [*boxes, *outs]
            kept = [
                () if isinstance(old, tuple) else jnp.where(hit, new, old)
                for new, old in zip(now, kept, strict=True)
            ]
            at.state = (clock, kept)
        return outs

    def across_devices(self, before: Any, after: Any, axes: tuple[str, ...]) -> Any:
        """What is kept is that of a device on which it happened; all pass the equation."""
        clock, kept = after
        operands = len(self.eqn.invars)
        score = 2 * _has_bad(kept[operands:]) - _has_bad(kept[:operands])
        return super().across_devices(None, clock, axes), of_one(kept, score, axes)


def _has_bad(arrays: Sequence[Any]) -> Any:
    floats = [x for x in jax.tree.leaves(arrays) if jnp.issubdtype(x.dtype, jnp.inexact)]
    return sum((jnp.any(~jnp.isfinite(x)).astype(int) for x in floats), jnp.int32(0))


def _is_kept(atom: Any) -> bool:
    return jaxprs.is_array_type(atom.aval) and not jaxprs.is_key(atom.aval)
