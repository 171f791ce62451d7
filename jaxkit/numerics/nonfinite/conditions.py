"""The rule that follows special values through what they decide, too.

A NaN that a condition chose is a constant: no operation has made it of another. But the condition
may have looked at a NaN or an infinity that one has made, as those of `jnp.median` do. So truth
values and integers have codes as well: the smallest of what was not finite and decided about them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit.jaxpr import Equation
from jaxkit.jaxpr.control import LOOPS
from jaxkit.numerics.nonfinite import operations
from jaxkit.numerics.nonfinite.codes import GIVEN_NAN, NONE, full, is_finite, is_nan
from jaxkit.numerics.nonfinite.flow import joined, moved, spread
from jaxkit.numerics.nonfinite.tracing import Asked, Origins, is_inexact

__all__ = ["DIRECT", "IGNORED", "Conditions"]

# What an event has made of which nothing is wanted: no reason to blame a condition instead.
IGNORED = GIVEN_NAN - 1
# Where conditions are wanted: what has come without one. Condition n has the code DIRECT + n.
DIRECT = 1


def _cond(run: Any, at: Equation, boxes: Sequence[Any]) -> Any:
    return run.rule.branch(at, boxes[0], LOOPS["cond"](run, at, boxes))


class Conditions(Origins):
    """As `Origins`, with codes beside integers and truth values.

    Where a NaN is chosen that is a constant, its code is that of the predicate; if that has none,
    choosing it is an event.
    """

    controls: ClassVar[Mapping[str, Any]] = {"cond": _cond}

    def __init__(self, asked: Asked, first: int, *, barriers: bool) -> None:
        super().__init__(asked, first, barriers=barriers, choosing=True)

    def lift(self, value: Any) -> Any:
        """With the codes of what was given."""
        if _is_decided(jax.typeof(value)):
            return value, full(NONE, value)
        return super().lift(value)

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        """Evaluates it, and tells what has decided about the results."""
        values = [self.primal(box) for box in boxes]
        codes = [box[1] if isinstance(box, tuple) else None for box in boxes]
        outs = self.run_quietly(at, values)
        found = self._followed(at, codes, values, outs)
        return [out if code is None else (out, code) for out, code in zip(outs, found, strict=True)]

    def _followed(
        self, at: Equation, codes: Sequence[Any], values: Sequence[Any], outs: Sequence[Any]
    ) -> list[Any]:
        kinds = [is_inexact(var.aval) for var in at.eqn.outvars]
        found: list[Any] = [None] * len(outs)
        if any(kinds):
            both = zip(codes, values, strict=True)
            own = [code if is_inexact(jax.typeof(value)) else None for code, value in both]
            found = self.codes(at, own, values, outs)
        if self.chooses(at):
            event = self.numbered(self.event(at), at, outs[0])
            found = [self._chosen(at, codes[0], outs[0], found[0], event)]
        decided = _decided(at, codes, values, outs)
        return [c if kind else d for kind, c, d in zip(kinds, found, decided, strict=True)]

    def numbered(self, event: Any, at: Equation, out: Any) -> Any:
        """What stands for the event; `IGNORED` where nothing of it is wanted."""
        number = super().numbered(event, at, out)
        number = jnp.where(number == GIVEN_NAN, IGNORED, number)
        _, here, _ = event
        return jnp.where(self.asked.naming & here, DIRECT, number).astype(jnp.int32)

    def branch(self, at: Equation, predicate: Any, boxes: Sequence[Any]) -> list[Any]:
        """The results of a branch, of which the predicate has decided that it was taken."""
        if not isinstance(predicate, tuple):
            return list(boxes)
        [_, code] = predicate
        return [self._branched(at, code, box) for box in boxes]

    def _branched(self, at: Equation, predicate: Any, box: Any) -> Any:
        if not isinstance(box, tuple):
            return box
        value, code = box
        if is_inexact(jax.typeof(value)):
            return value, self._chosen(at, predicate, value, code, code)
        return value, lax.min(code, spread(predicate, value))

    def _chosen(self, at: Equation, predicate: Any, out: Any, code: Any, event: Any) -> Any:
        """The codes of what was chosen, which are those of the predicate for a constant NaN."""
        self.conditions.append(at)
        why = spread(predicate, out)
        wanted = self.asked.naming & (why < IGNORED)
        why = jnp.where(wanted, DIRECT + len(self.conditions), why)
        constant = is_nan(out) & (code == GIVEN_NAN)
        return lax.select(constant, jnp.where(why < GIVEN_NAN, why, event), code)


def _is_decided(aval: Any) -> bool:
    """Whether it is an array of integers or truth values."""
    if not jaxprs.is_array_type(aval):
        return False
    return jnp.issubdtype(aval.dtype, jnp.integer) or jnp.issubdtype(aval.dtype, jnp.bool_)


def _decided(at: Any, codes: Sequence[Any], values: Sequence[Any], outs: Sequence[Any]) -> Any:
    """What has decided about the results that are integers or truth values."""
    if not any(_is_decided(var.aval) for var in at.eqn.outvars):
        return [None] * len(outs)
    why = [_deciding(at, place, code, values, outs) for place, code in enumerate(codes)]
    where = operations.STEERED.get(at.primitive, slice(0))
    steering = [code for code in why[where] if code is not None]
    why[where] = [None] * len(why[where])
    found = moved(at, why, values)
    if found is None:
        found = [_joined(at, why, values, out) for out in outs]
    return [
        functools.reduce(lax.min, [spread(each, out) for each in steering], code)
        if _is_decided(var.aval)
        else None
        for var, out, code in zip(at.eqn.outvars, outs, found, strict=True)
    ]


def _joined(at: Any, codes: Sequence[Any], values: Sequence[Any], out: Any) -> Any:
    least = joined(at, codes, values, out)
    alone = operations.DECISIVE.get(at.primitive)
    if alone is not None and out.dtype == jnp.bool_:
        both = zip(values, codes, strict=True)
        decisive = [lax.select(value == alone, code, full(NONE, code)) for value, code in both]
        least = lax.select(out == alone, joined(at, decisive, values, out), least)
    return lax.optimization_barrier(least)


def _deciding(at: Any, place: int, code: Any, values: Sequence[Any], outs: Sequence[Any]) -> Any:
    """The codes of one operand, where it is not finite and that matters."""
    value = values[place]
    if code is None or not is_inexact(jax.typeof(value)):
        return code
    made = ~is_finite(value) & (code < GIVEN_NAN)
    if at.primitive in operations.COMPARISONS and value.dtype.kind != "c":
        made &= is_nan(value) | _tells_infinity(at, place, values, outs[0])
    return jnp.where(made, code, NONE).astype(jnp.int32)


def _tells_infinity(at: Any, place: int, values: Sequence[Any], out: Any) -> Any:
    """Whether a comparison would have come out otherwise with the largest finite number."""
    largest = jnp.finfo(values[place].dtype).max
    finite = jnp.clip(values[place], -largest, largest)
    [other] = at.run([*values[:place], finite, *values[place + 1 :]])
    return other != out
