"""Two rules for `Run`: the program as it is, and the program in double precision by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.boxes import settled, strong
from jaxkit.jaxpr.calls import inside
from jaxkit.jaxpr.control import any_goes_on, going_on
from jaxkit.jaxpr.nesting import nested
from jaxkit.jaxpr.rule import Equation, Rule
from jaxkit.numerics.precision.callbacks import SILENT, Tape
from jaxkit.numerics.precision.wide import MOVES, NOT_WIDE, OPAQUE, SUMS, is_float, up, wide

__all__ = ["Counted", "Shaken", "Wide", "opaque"]

_UNIT = 2.0**-52


def _trips(run: Any, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
    """A `while` that counts its turns, the most of any of its runs."""
    condition, body = nested(at.eqn)
    first, second = at.params["cond_nconsts"], at.params["body_nconsts"]
    consts, held = boxes[:first], boxes[first : first + second]
    start = settled(at.eqn.invars[first + second :], boxes[first + second :])
    index = run.rule.loops[id(at.eqn)]

    def goes_on(carry: Any) -> Any:
        # The state of a condition is that of its loop: what it counts inside is of no interest.
        [found], _ = run.closed(condition.closed, [*consts, *carry], at.state, inside(at, "while"))
        return found

    def turn(now: Any) -> Any:
        count, carry, state = now
        outs, state = run.closed(body.closed, [*held, *carry], state, inside(at, body.name))
        after = settled(body.jaxpr.outvars, outs)
        if condition.jaxpr.outvars[0].aval.shape:
            after = going_on(goes_on(carry), after, carry)
        return count + 1, after, strong(state)

    with jaxprs.place_of(at.eqn):
        count, carry, state = lax.while_loop(
            lambda now: any_goes_on(goes_on(now[1])), turn, (jnp.int32(0), start, at.state)
        )
    at.state = state.at[index].max(count)
    return carry


class Counted(Rule):
    """The program as it is; the state has the most turns of each `while`.

    Args:
        loops: Positions in the state by the identity of the loop's equation.
        tape: Keeps what callbacks return.
    """

    controls: ClassVar[Mapping[str, Any]] = {"while": _trips}

    def __init__(self, loops: Mapping[int, int], tape: Tape) -> None:
        self.loops = loops
        self._tape = tape

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        """As it is; what is called back is remembered."""
        if at.primitive == "io_callback":
            return self._tape.record(at, boxes)
        return super().equation(at, boxes)

    def start(self) -> Any:
        """No turns yet."""
        return jnp.zeros(len(self.loops), jnp.int32)

    def across_devices(self, before: Any, after: Any, axes: tuple[str, ...]) -> Any:
        """The most turns of any device."""
        return lax.pmax(after, axes)


def _limited(run: Any, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
    """A `while` in double precision, which may not go on for ever where the program ended."""
    condition, body = nested(at.eqn)
    first, second = at.params["cond_nconsts"], at.params["body_nconsts"]
    consts, held = boxes[:first], boxes[first : first + second]
    start = strong(list(boxes[first + second :]))
    limit = 10 * run.rule.trips[run.rule.loops[id(at.eqn)]] + 1000

    def goes_on(carry: Any) -> Any:
        return run.closed(condition.closed, [*consts, *carry], (), inside(at, "while"))[0][0]

    def turn(now: Any) -> Any:
        count, carry = now
        outs, _ = run.closed(body.closed, [*held, *carry], (), inside(at, body.name))
        after = strong(outs)
        if condition.jaxpr.outvars[0].aval.shape:
            after = going_on(goes_on(carry), after, carry)
        return count + 1, after

    def again(now: Any) -> Any:
        return jnp.logical_and(any_goes_on(goes_on(now[1])), now[0] < limit)

    with jaxprs.place_of(at.eqn):
        return lax.while_loop(again, turn, (jnp.int32(0), start))[1]


def opaque(eqn: Any, operands: Sequence[Any]) -> list[Any]:
    """Evaluates an equation in its own precision on operands that are in double precision."""
    narrow = [
        lax.convert_element_type(value, atom.aval.dtype) if is_float(atom.aval) else value
        for atom, value in zip(eqn.invars, operands, strict=True)
    ]
    return [up(value) for value in jaxprs.bind(eqn, narrow)]


class Wide(Rule):
    """The program in double precision, with its own branches and turns.

    Args:
        loops: As `Counted` has them.
        trips: What `Counted` counted.
        tape: Has what callbacks returned.
    """

    controls: ClassVar[Mapping[str, Any]] = {"while": _limited}

    def __init__(self, loops: Mapping[int, int], trips: Any, tape: Tape) -> None:
        self.loops = loops
        self.trips = trips
        self._tape = tape

    def lift(self, value: Any) -> Any:
        """The array in double precision."""
        return up(value)

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        """Evaluates it in double precision, where there is such a thing."""
        if at.primitive in SILENT:
            return []
        if at.primitive == "io_callback":
            return [up(value) for value in self._tape.replay(at, boxes)]
        try:
            return wide(at.eqn, boxes)
        except NOT_WIDE:
            return opaque(at.eqn, boxes)


class Shaken(Wide):
    """The same with each result moved by one unit in the last place, up or down at random.

    What changes as a whole is noise: double precision has no digit of it either.

    Args:
        seed: Which of the directions.
    """

    def __init__(self, loops: Mapping[int, int], trips: Any, tape: Tape, seed: int) -> None:
        super().__init__(loops, trips, tape)
        self._count = 7919 * seed

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        """Moves the results of what rounds."""
        if at.primitive in MOVES or at.primitive in OPAQUE:
            return super().equation(at, boxes)
        if at.primitive in SUMS:  # which round once for each term
            pairs = zip(at.eqn.invars, boxes, strict=True)
            boxes = [self._shake(box) if is_float(atom.aval) else box for atom, box in pairs]
        outs = super().equation(at, boxes)
        return [
            self._shake(out) if is_float(var.aval) else out
            for var, out in zip(at.eqn.outvars, outs, strict=True)
        ]

    def _shake(self, out: Any) -> Any:
        self._count += 1
        place = jnp.arange(out.size, dtype=float).reshape(out.shape) + 78.233 * self._count
        return out * (1 + _UNIT * jnp.sign(jnp.sin(12.9898 * place)))
