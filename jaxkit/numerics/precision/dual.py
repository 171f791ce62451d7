"""The program beside its shadow in double precision, equation by equation.

The shadow takes the branches, turns, indices and orders of the program itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.boxes import settled, strong
from jaxkit.jaxpr.calls import CALLS, Call, inside
from jaxkit.jaxpr.control import going_on, mapped
from jaxkit.jaxpr.nesting import nested
from jaxkit.jaxpr.rule import Equation, Rule, Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics.precision.callbacks import SILENT
from jaxkit.numerics.precision.plan import Frame, Tap, inlined, is_measured
from jaxkit.numerics.precision.wide import NOT_WIDE, is_float, up, wide

__all__ = ["Dual", "primal_of", "shadow_of"]

# Steps have no slope; over an error that crosses one, it is that of the secant.
_STEPS = frozenset(("floor", "ceil", "round", "sign", "rem"))


def primal_of(box: Any) -> Any:
    """The array of a box."""
    return box[0] if isinstance(box, tuple) else box


def shadow_of(box: Any) -> Any:
    """What the array should be; itself where it is not floating-point."""
    return box[1] if isinstance(box, tuple) else box


class _Cursor:
    """How far a frame has been evaluated."""

    def __init__(self, frame: Frame, given: Any) -> None:
        self.frame = frame
        self.slots, self.inner = given
        self.taps = self.loops = self.decisions = 0


class Dual(Rule):
    """Boxes are (the array, its shadow); of what is no floating-point number, the array.

    Args:
        plan: What is measured.
        given: A value for each tap and turn: an array [taps, ...] for each frame of the plan and
            the same for the frames in it, with a first axis for turns.
    """

    def __init__(self, plan: Frame, given: Any) -> None:
        self._cursor = _Cursor(plan, given)
        self.controls: Any = {
            "scan": _scan,
            "while": _while,
            "cond": _cond,
            "shard_map": _shard_map,
            **dict.fromkeys(CALLS, _inline),
        }

    def lift(self, value: Any) -> Any:
        """An array beside itself in double precision."""
        return (value, up(value)) if is_float(jax.typeof(value)) else value

    def primal(self, box: Any) -> Any:
        """The array as the program has it."""
        return primal_of(box)

    def turning(self, step: Any) -> Any:
        """The body of a loop, in the form in which it is to be turned. To be overridden."""
        return step

    def measure(self, tap: Tap, at: Equation, one: Measured, given: Any) -> Any:
        """The shadow of a result that goes on from here. To be overridden.

        Args:
            tap: The equation.
            at: Where it is.
            one: Its operands and results.
            given: The value for this tap and turn.
        """
        return one.shadows

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        """Evaluates it as it is and in double precision."""
        if at.primitive in SILENT:
            return []
        primals = [primal_of(box) for box in boxes]
        outs = at.run(primals)
        if not any(is_float(var.aval) for var in at.eqn.outvars):
            return self.decided(at, boxes, outs)
        shadows = _shadows(at, primals, [shadow_of(box) for box in boxes], outs)
        if at.primitive in _STEPS:
            shadows = [_secant(shadows[0], outs[0], boxes[0])]
        if is_measured(at.eqn):
            tap, given = self._next(at)
            one = Measured(at.eqn, primals, [shadow_of(box) for box in boxes], outs, shadows)
            shadows = self.measure(tap, at, one, given)
        pairs = zip(at.eqn.outvars, outs, shadows, strict=True)
        return [(out, shadow) if is_float(var.aval) else out for var, out, shadow in pairs]

    def decided(self, at: Equation, boxes: Sequence[Any], outs: Sequence[Any]) -> Sequence[Any]:
        """The results of an equation that are no floating-point numbers. To be overridden."""
        return outs

    def _next(self, at: Equation) -> tuple[Tap, Any]:
        cursor = self._cursor
        tap = cursor.frame.taps[cursor.taps]
        given = cursor.slots[cursor.taps]
        cursor.taps += 1
        tap.where, tap.scope, tap.path = at.where, at.scope, at.path
        return tap, given

    def next_decision(self) -> Tap:
        """The next decision of the plan."""
        cursor = self._cursor
        decision = cursor.frame.decisions[cursor.decisions]
        cursor.decisions += 1
        return decision

    def next_inner(self) -> tuple[Any, Any]:
        """The next loop or branch of the plan, and what is given for it."""
        cursor = self._cursor
        inner, given = cursor.frame.inner[cursor.loops], cursor.inner[cursor.loops]
        cursor.loops += 1
        return inner, given

    @contextlib.contextmanager
    def inside(self, frame: Frame, given: Any) -> Iterator[None]:
        """What is evaluated in here is of another frame."""
        outer, self._cursor = self._cursor, _Cursor(frame, given)
        try:
            yield
        finally:
            self._cursor = outer


class Measured:
    """One equation in both precisions, and in double precision on the program's own operands."""

    def __init__(
        self, eqn: Any, primals: Any, operand_shadows: Any, outs: Any, shadows: Any
    ) -> None:
        self.eqn = eqn
        self.primals = primals
        self.operand_shadows = operand_shadows
        self.outs = outs
        self.shadows = shadows

    def results(self, which: int) -> tuple[Any, Any, Any]:
        """One of the results: as it is, of the program's own operands in double, and the shadow."""
        return self.outs[which], self.exact()[which], self.shadows[which]

    def exact(self) -> list[Any]:
        """The results in double precision of the program's own operands."""
        try:
            return wide(self.eqn, [up(value) for value in self.primals])
        except NOT_WIDE:
            return [up(value) for value in self.outs]


def _shadows(at: Equation, primals: Any, shadows: Any, outs: Any) -> list[Any]:
    if at.primitive in ("sort", "top_k"):
        return _ordered(at, primals, shadows, outs)
    try:
        return wide(at.eqn, shadows)
    except NOT_WIDE:
        return [up(out) for out in outs]


def _ordered(at: Equation, primals: Any, shadows: Any, outs: Any) -> list[Any]:
    """The shadow in the order of the program's own values."""
    if at.primitive == "top_k":
        _, places = outs
        return [jnp.take_along_axis(shadows[0], places, axis=-1), places]
    dimension, keys = at.params["dimension"], at.params["num_keys"]
    shape = jnp.shape(primals[0])
    count = lax.broadcasted_iota(jnp.int32, shape, dimension)
    order = lax.sort([*primals, count], dimension=dimension, is_stable=True, num_keys=keys)[-1]
    return [jnp.take_along_axis(shadow, order, axis=dimension) for shadow in shadows]


def _secant(shadow: Any, out: Any, box: Any) -> Any:
    x, far = shadow_of(box), up(primal_of(box))
    apart = far != x
    slope = jnp.where(apart, (up(out) - shadow) / jnp.where(apart, far - x, 1), 0)
    fixed = lax.stop_gradient(shadow)
    return fixed + lax.stop_gradient(slope) * (x - lax.stop_gradient(x))


def _inline(run: Run, at: Equation, boxes: Sequence[Any]) -> Any:
    """A call, with or without derivatives of its own, whose program takes its place."""
    if at.primitive == "custom_linear_solve":
        return CALLS[at.primitive](run, at, boxes)
    closed = inlined(at.eqn)
    if closed is None:
        return None
    return Call(closed, boxes, inside(at, nested(at.eqn)[0].name if nested(at.eqn) else "call"))


def _shard_map(run: Any, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
    [body] = nested(at.eqn)
    devices, given = run.rule.next_inner()
    axes = jaxprs.manual_axes(at.eqn)

    def called(boxes: Any, state: Any, given: Any) -> Any:
        with run.rule.inside(devices.branches[0], given):
            outs, after = run.closed(body.closed, boxes, state, inside(at, body.name))
        return outs, run.rule.across_devices(state, after, axes)

    outs, at.state = mapped(at, called, boxes, strong(at.state), given[0])
    return outs


def _scan(run: Any, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
    [body] = nested(at.eqn)
    parts = jaxprs.scan_parts(at.eqn)
    first, second = parts.constants, parts.constants + parts.carry
    fixed, where = boxes[:first], inside(at, body.name)
    loop, given = run.rule.next_inner()
    start = settled(at.eqn.invars[first:second], boxes[first:second]), strong(at.state)

    def step(carried: Any, now: Any) -> Any:
        carry, state = carried
        inputs, slots = now
        with run.rule.inside(loop.body, slots):
            outs, state = run.closed(body.closed, [*fixed, *carry, *inputs], state, where)
        last = settled(body.jaxpr.outvars[: parts.carry], outs[: parts.carry]), strong(state)
        return last, outs[parts.carry :]

    with jaxprs.place_of(at.eqn):
        (last, at.state), stacked = lax.scan(
            run.rule.turning(step),
            start,
            (list(boxes[second:]), given),
            length=at.params["length"],
            reverse=at.params["reverse"],
        )
    return [*last, *stacked]


def _while(run: Any, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
    """A while as a scan that may be differentiated, of which the last turns do nothing."""
    condition, body = nested(at.eqn)
    first, second = at.params["cond_nconsts"], at.params["body_nconsts"]
    consts, held = boxes[:first], boxes[first : first + second]
    loop, given = run.rule.next_inner()
    start = settled(at.eqn.invars[first + second :], boxes[first + second :]), strong(at.state)
    plain = Run(Rule())

    def turn(carried: Any, slots: Any) -> Any:
        carry, state = carried
        primals = [primal_of(box) for box in (*consts, *carry)]
        [on], _ = plain.closed(condition.closed, primals, (), Where())
        with run.rule.inside(loop.body, slots):
            outs, after = run.closed(body.closed, [*held, *carry], state, inside(at, body.name))
        last = settled(body.jaxpr.outvars, outs), strong(after)
        if jnp.ndim(on):
            return (going_on(on, last[0], carry), last[1]), None
        return jax.tree.map(lambda new, old: jnp.where(on, new, old), last, carried), None

    with jaxprs.place_of(at.eqn):
        (last, at.state), _ = lax.scan(run.rule.turning(turn), start, given, length=loop.length)
    return last


def _cond(run: Any, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
    which, *operands = boxes
    branch, given = run.rule.next_inner()

    def of(number: int, body: Any) -> Any:
        def called(operands: Any, state: Any, given: Any) -> Any:
            with run.rule.inside(branch.branches[number], given[number]):
                outs, after = run.closed(body.closed, operands, state, inside(at, body.name))
            return settled(body.jaxpr.outvars, outs), strong(after)

        return called

    bodies = [of(number, body) for number, body in enumerate(nested(at.eqn))]
    with jaxprs.place_of(at.eqn):
        outs, at.state = lax.switch(
            primal_of(which), bodies, list(operands), strong(at.state), given
        )
    return outs
