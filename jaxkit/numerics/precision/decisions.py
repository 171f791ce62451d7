"""Branches, turns and steps that go another way in double precision.

The program runs beside its shadow with some of its decisions replaced by those of the shadow: the
one whose replacement repairs the output is to blame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.boxes import settled, strong
from jaxkit.jaxpr.calls import inside
from jaxkit.jaxpr.control import any_goes_on, going_on
from jaxkit.jaxpr.nesting import nested
from jaxkit.jaxpr.rule import Equation, Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics._devices import of_one
from jaxkit.numerics.precision.attribution import per_tap
from jaxkit.numerics.precision.dual import Dual, primal_of, shadow_of
from jaxkit.numerics.precision.plan import Frame, is_decision
from jaxkit.numerics.precision.wide import NOT_WIDE, is_float, wide

__all__ = ["decision_program", "is_elementwise"]

# A loop may turn more often than the program's did if its condition is the shadow's.
_TURNS, _MORE = 10, 1000


def decision_program(closed: Any, plan: Frame) -> Any:
    """The program with other decisions.

    Returns:
        A function of (inputs, which decisions are the shadow's) that gives (for each decision how
        many elements differ between the program and its shadow, for each the operands of the first
        of these [2: as they are and in double precision, 2: left and right], NaN where elements of
        the results are not made of elements of the operands; the results).
    """
    count = sum(1 for _ in plan.all_decisions())
    nothing = per_tap(plan, lambda lead, taps: jnp.zeros((*lead, len(taps), 0)))

    def program(inputs: Sequence[Any], forced: Any) -> Any:
        run = Run(_Decisions(plan, nothing, forced))
        start = jnp.zeros(count, jnp.int32), jnp.full((count, 2, 2), jnp.nan)
        boxes, (differ, operands) = run.closed(
            closed, [run.lift(x) for x in inputs], start, Where()
        )
        return differ, operands, [primal_of(box) for box in boxes]

    return program


class _Decisions(Dual):
    def __init__(self, plan: Frame, given: Any, forced: Any) -> None:
        super().__init__(plan, given)
        self._forced = forced
        self.controls = {**self.controls, "while": _while}

    def across_devices(self, before: Any, after: Any, axes: tuple[str, ...]) -> Any:
        more = after[0] - before[0]
        operands = jax.vmap(lambda kept, score: of_one(kept, score, axes))(after[1], more)
        return before[0] + lax.psum(more, axes), operands

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        found = super().equation(at, boxes)
        if not is_decision(at.eqn) or not is_float(at.eqn.outvars[0].aval):
            return found
        [(out, shadow)] = found
        [out] = self._choose(at, boxes, [out], [shadow])
        return [(out, shadow)]

    def decided(self, at: Equation, boxes: Sequence[Any], outs: Sequence[Any]) -> Sequence[Any]:
        if not is_decision(at.eqn):
            return outs
        try:
            shadows = wide(at.eqn, [shadow_of(box) for box in boxes])
        except NOT_WIDE:
            shadows = outs
        return self._choose(at, boxes, outs, shadows)

    def _choose(
        self, at: Equation, boxes: Sequence[Any], outs: Sequence[Any], shadows: Sequence[Any]
    ) -> list[Any]:
        decision = self.next_decision()
        decision.where, decision.scope, decision.path = at.where, at.scope, at.path
        shadows = [
            lax.convert_element_type(shadow, var.aval.dtype)
            for var, shadow in zip(at.eqn.outvars, shadows, strict=True)
        ]
        others = [a != b for a, b in zip(outs, shadows, strict=True)]
        differ = jnp.int32(sum(jnp.sum(each) for each in others))
        counts, operands = at.state
        if is_elementwise(at.eqn):
            first = jnp.logical_and(counts[decision.index] == 0, differ > 0)
            now = jnp.where(first, _of_first(others[0], boxes), operands[decision.index])
            operands = operands.at[decision.index].set(now)
        at.state = counts.at[decision.index].add(differ), operands
        forced = self._forced[decision.index]
        return [jnp.where(forced, b, a) for a, b in zip(outs, shadows, strict=True)]


def is_elementwise(eqn: Any) -> bool:
    """Whether each of a decision's results is made of one element of one or two real operands."""
    [out, *more] = eqn.outvars
    if more or len(eqn.invars) > 2 or not out.aval.size:
        return False
    return all(
        is_float(atom.aval)
        and not jnp.issubdtype(atom.aval.dtype, jnp.complexfloating)
        and atom.aval.shape == out.aval.shape
        for atom in eqn.invars
    )


def _of_first(differ: Any, boxes: Sequence[Any]) -> Any:
    """The operands of the first result that differs: as they are and in double, left and right."""
    at = jnp.argmax(jnp.ravel(differ))
    rows = [
        [jnp.ravel(kind(box))[at].astype(float) for box in (boxes[0], boxes[-1])]
        for kind in (primal_of, shadow_of)
    ]
    return jnp.array(rows)


def _while(run: Any, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
    """A while whose condition is a decision too."""
    condition, body = nested(at.eqn)
    first, second = at.params["cond_nconsts"], at.params["body_nconsts"]
    consts, held = boxes[:first], boxes[first : first + second]
    loop, given = run.rule.next_inner()
    nothing = jax.tree.map(lambda x: x[0] if x.shape[0] else jnp.zeros(x.shape[1:]), given)
    none = per_tap(loop.condition, lambda lead, taps: jnp.zeros((*lead, len(taps), 0)))
    start = settled(at.eqn.invars[first + second :], boxes[first + second :])
    limit = _TURNS * loop.length + _MORE

    def goes_on(carry: Any, state: Any) -> Any:
        with run.rule.inside(loop.condition, none):
            [on], state = run.closed(
                condition.closed, [*consts, *carry], state, inside(at, condition.name)
            )
        return primal_of(on), strong(state)

    def turn(now: Any) -> Any:
        count, on, before, state = now
        with run.rule.inside(loop.body, nothing):
            outs, state = run.closed(body.closed, [*held, *before], state, inside(at, body.name))
        carry = going_on(on, settled(body.jaxpr.outvars, outs), before)
        on, state = goes_on(carry, strong(state))
        return count + 1, on, carry, state

    with jaxprs.place_of(at.eqn):
        on, state = goes_on(start, strong(at.state))
        _, _, last, at.state = lax.while_loop(
            lambda now: jnp.logical_and(any_goes_on(now[1]), now[0] < limit),
            turn,
            (jnp.int32(0), on, start, state),
        )
    return last
