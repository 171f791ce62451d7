"""The rule that brings the operands of one event to the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit.jaxpr import Equation
from jaxkit.numerics.nonfinite.tracing import Clock, Counting, is_maker

__all__ = ["Capture"]


class Capture(Counting):
    """Evaluates the program as it is, and keeps the operands and results of one event.

    The state is (clock, what was kept).

    Args:
        eqn: The equation.
        number: The number of the event, as `Origins` counts them.
        first: The number that the clock begins with.
        barriers: As `Counting` has them.
    """

    def __init__(self, eqn: Any, number: Any, first: int, *, barriers: bool) -> None:
        super().__init__(barriers=barriers)
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
        if not is_maker(at):
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
        """The devices on which it did not happen have kept zeros."""
        clock, kept = after
        return super().across_devices(None, clock, axes), jax.tree.map(
            lambda x: lax.psum(x, axes) if x.dtype != bool else lax.pmax(x.astype(int), axes) > 0,
            kept,
        )


def _is_kept(atom: Any) -> bool:
    return jaxprs.is_array_type(atom.aval) and not jaxprs.is_key(atom.aval)
