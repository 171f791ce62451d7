"""Loops, branches and several devices, with a rule's meaning for what is in them.

They stay loops and branches of JAX, so that an interpreted program is as large as the program
itself.
"""

# JAX's own annotations are unknown in part.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.boxes import refuse_other_axes, refuse_other_form, settled, strong
from jaxkit.jaxpr.calls import Boxes, Control, inside
from jaxkit.jaxpr.nesting import nested

if TYPE_CHECKING:
    from jaxkit.jaxpr.rule import Equation
    from jaxkit.jaxpr.run import Run


def _scan(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    [body] = nested(at.eqn)
    parts = jaxprs.scan_parts(at.eqn)
    first, second = parts.constants, parts.constants + parts.carry
    fixed, inputs = boxes[:first], list(boxes[second:])
    where = inside(at, body.name, loops=1)
    invars, outvars = at.eqn.invars, body.jaxpr.outvars
    state = run.rule.turn(at.state, where.loops, begins=False)
    start = settled(invars[first:second], boxes[first:second]), strong(state)
    refuse_other_axes(run.rule, "scan", invars[second:], inputs)

    def step(carried: Any, given: Any) -> Any:
        carry, state = carried
        state = run.rule.turn(state, where.loops, begins=True)
        outs, state = run.closed(body.closed, [*fixed, *carry, *given], state, where)
        last = settled(outvars[: parts.carry], outs[: parts.carry]), strong(state)
        refuse_other_form(run.rule, "scan", carried, last)
        return last, outs[parts.carry :]

    with jaxprs.place_of(at.eqn):
        (last, at.state), stacked = lax.scan(
            step,
            start,
            inputs,
            length=None if inputs else at.params["length"],  # which may be symbolic
            reverse=at.params["reverse"],
            unroll=at.params["unroll"],
        )
    at.state = run.rule.turn(at.state, where.loops, begins=False)
    return [*last, *stacked]


def _while(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    condition, body = nested(at.eqn)
    first, second = at.params["cond_nconsts"], at.params["body_nconsts"]
    for_condition, for_body = boxes[:first], boxes[first : first + second]
    within, around = inside(at, body.name, loops=1), inside(at, condition.name, loops=1)

    def goes_on(carry: Boxes, state: Any) -> Any:
        [found], after = run.closed(condition.closed, [*for_condition, *carry], state, around)
        after = strong(after)
        refuse_other_form(run.rule, "while", ([], state), ([], after))
        return run.rule.primal(found), after

    def turn(carry: Boxes, state: Any) -> Any:
        state = run.rule.turn(state, within.loops, begins=True)
        outs, after = run.closed(body.closed, [*for_body, *carry], state, within)
        last = settled(body.jaxpr.outvars, outs), strong(after)
        refuse_other_form(run.rule, "while", (carry, state), last)
        return last

    carry = settled(at.eqn.invars[first + second :], boxes[first + second :])
    loop = _plain
    if jax.tree.leaves(at.state):
        loop = _counted
    elif condition.jaxpr.outvars[0].aval.shape:
        loop = _batched
    state = run.rule.turn(at.state, within.loops, begins=False)
    with jaxprs.place_of(at.eqn):
        last, state = loop(goes_on, turn, carry, strong(state))
    at.state = run.rule.turn(state, within.loops, begins=False)
    return last


def _plain(goes_on: Any, turn: Any, carry: Any, state: Any) -> Any:
    """A loop as the user wrote it."""
    last = lax.while_loop(
        lambda now: goes_on(now, state)[0], lambda now: turn(now, state)[0], carry
    )
    return last, state


def _batched(goes_on: Any, turn: Any, carry: Any, state: Any) -> Any:
    """One that `jax.vmap` made, of which each of the batch turns as long as it would alone."""

    def once(now: Any) -> Any:
        return going_on(goes_on(now, state)[0], turn(now, state)[0], now)

    return lax.while_loop(lambda now: any_goes_on(goes_on(now, state)[0]), once, carry), state


def _counted(goes_on: Any, turn: Any, carry: Any, state: Any) -> Any:
    """One whose condition is evaluated at the end of each turn, where it can change the state."""

    def once(now: Any) -> Any:
        on, before, state = now
        carry, state = turn(before, state)
        carry = going_on(on, carry, before)
        on, state = goes_on(carry, state)
        return on, carry, state

    on, state = goes_on(carry, state)
    return lax.while_loop(lambda now: any_goes_on(now[0]), once, (on, carry, state))[1:]


def any_goes_on(on: Any) -> Any:
    """Whether a loop turns again; under `jax.vmap` it does as long as one of the batch does."""
    return jnp.any(on) if jnp.ndim(on) else on


def going_on(on: Any, after: Any, before: Any) -> Any:
    """The carry of those of a batch that turn, which comes first in each array, and the rest's."""
    if not jnp.ndim(on):
        return after

    def chosen(new: Any, old: Any) -> Any:
        return jnp.where(on.reshape(on.shape + (1,) * (jnp.ndim(new) - on.ndim)), new, old)

    return jax.tree.map(chosen, after, before)


def _cond(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    which, *operands = boxes
    first: list[Any] = []

    def branch(body: Any) -> Callable[[Boxes, Any], Any]:
        def called(boxes: Boxes, state: Any) -> Any:
            outs, after = run.closed(body.closed, boxes, state, inside(at, body.name))
            found = settled(body.jaxpr.outvars, outs), strong(after)
            first.append(found)
            refuse_other_form(run.rule, "cond", first[0], found)
            return found

        return called

    branches = [branch(body) for body in nested(at.eqn)]
    state = strong(at.state)
    with jaxprs.place_of(at.eqn):
        if at.params.get("branches_platforms"):
            outs, at.state = _by_platform(at, branches, operands, state)
        else:
            index = run.rule.primal(which)
            outs, at.state = lax.switch(index, branches, operands, state)
    return outs


def _by_platform(at: Equation, branches: Any, operands: Boxes, state: Any) -> Any:
    """The branch of the platform that the program is compiled for; others cannot be compiled."""
    by_name: dict[str, Any] = {}
    default = None
    for names, branch in zip(at.params["branches_platforms"], branches, strict=True):
        if names is None:
            default = branch
        else:
            by_name.update(dict.fromkeys(names, branch))
    return lax.platform_dependent(operands, state, default=default, **by_name)


def _shard_map(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    [body] = nested(at.eqn)
    where, params = inside(at, body.name), at.params
    axes = jaxprs.manual_axes(at.eqn)

    def called(boxes: Boxes, state: Any) -> Any:
        outs, after = run.closed(body.closed, boxes, state, where)
        return outs, run.rule.across_devices(state, after, axes)

    checked = params["check_vma"] and run.is_plain and not jax.tree.leaves(at.state)
    outs, at.state = mapped(at, called, boxes, strong(at.state), checked=checked)
    return outs


def mapped(
    at: Equation, called: Any, boxes: Boxes, *everywhere: Any, checked: bool = False
) -> tuple[Boxes, Any]:
    """The results of a function in the place of the body of a ``shard_map``.

    Args:
      at: the equation.
      called: of the boxes of one device, and what is equal on all of them, it gives boxes and
        something that is equal on all of them.
      boxes: what is divided among the devices.
      everywhere: what is equal on all of them.
      checked: whether JAX checks that what is said to be equal is.
    """
    params, equal = at.params, jax.sharding.PartitionSpec()
    over = jax.shard_map(
        called,
        mesh=params["mesh"],
        in_specs=(list(params["in_specs"]), *[equal for _ in everywhere]),
        out_specs=(list(params["out_specs"]), equal),
        check_vma=checked,
        axis_names=set(jaxprs.manual_axes(at.eqn)),
    )
    with jaxprs.place_of(at.eqn):
        return over(list(boxes), *everywhere)


LOOPS: dict[str, Control] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "shard_map": _shard_map,
}
