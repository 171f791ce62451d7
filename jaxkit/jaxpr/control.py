"""Equations that hold programs, evaluated with a rule's meaning for what is in them.

Loops and branches stay loops and branches of JAX, so that an interpreted program is as large as
the program itself.
"""

# JAX's own annotations are unknown in part.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.nesting import nested

if TYPE_CHECKING:
    from jaxkit.jaxpr.interpret import Equation, Run, Where

Boxes = Sequence[Any]
Control = Callable[["Run", "Equation", Boxes], Boxes]


def _inside(at: Equation, name: str) -> Where:
    from jaxkit.jaxpr.interpret import Where

    return Where((*at.path, name), at.where, at.scope)


def _call(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    """A call: what is called takes its place."""
    [body] = nested(at.eqn)
    outs, at.state = run.closed(body.closed, boxes, at.state, _inside(at, body.name))
    return outs


def _remat(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    [body] = nested(at.eqn)

    def called(boxes: Boxes, state: Any) -> Any:
        return run.closed(body.closed, boxes, state, _inside(at, body.name))

    again = jax.checkpoint(called, prevent_cse=at.params["prevent_cse"], policy=at.params["policy"])
    outs, at.state = again(list(boxes), at.state)
    return outs


def _custom(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    """A function with a derivative of its own, which is kept where boxes are the arrays alone."""
    [body] = nested(at.eqn)
    where = _inside(at, body.name)
    if jax.tree.leaves(at.state) or not _are_arrays(at.eqn, boxes):
        outs, at.state = run.closed(body.closed, boxes, at.state, where)
        return outs
    eqn = at.eqn

    @jax.custom_jvp
    def called(*arrays: Any) -> Any:
        return run.closed(body.closed, arrays, (), where)[0]

    @called.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        _, out = jax.jvp(lambda *arrays: jaxprs.bind(eqn, arrays), primals, tangents)
        return called(*primals), out

    return called(*boxes)


def _are_arrays(eqn: Any, boxes: Boxes) -> bool:
    return all(
        len(jax.tree.leaves(box)) == 1
        and jax.tree.structure(box) == jax.tree.structure(0)
        and jax.typeof(box).dtype == atom.aval.dtype
        for atom, box in zip(eqn.invars, boxes, strict=True)
    )


def _settled(boxes: Any) -> Any:
    """Without weak types, which JAX compares and which a loop must not change."""
    return jax.tree.map(_strong, boxes)


def _strong(value: Any) -> Any:
    aval = jax.typeof(value)
    if not getattr(aval, "weak_type", False):
        return value
    return lax.convert_element_type(value, aval.dtype)


def _scan(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    [body] = nested(at.eqn)
    parts = jaxprs.scan_parts(at.eqn)
    fixed = boxes[: parts.constants]
    carry = boxes[parts.constants : parts.constants + parts.carry]
    inputs = boxes[parts.constants + parts.carry :]
    where = _inside(at, body.name)

    def step(carried: Any, given: Any) -> Any:
        boxes, state = carried
        outs, state = run.closed(body.closed, [*fixed, *boxes, *given], state, where)
        return _settled((outs[: parts.carry], state)), outs[parts.carry :]

    (last, at.state), stacked = lax.scan(
        step,
        _settled((list(carry), at.state)),
        list(inputs),
        length=at.params["length"],
        reverse=at.params["reverse"],
        unroll=at.params["unroll"],
    )
    return [*last, *stacked]


def _while(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    """The condition is evaluated at the end of each turn, where it can change the state."""
    condition, body = nested(at.eqn)
    first, second = at.params["cond_nconsts"], at.params["body_nconsts"]
    for_condition, for_body = boxes[:first], boxes[first : first + second]
    inside, around = _inside(at, body.name), _inside(at, condition.name)

    def goes_on(carry: Boxes, state: Any) -> Any:
        [found], state = run.closed(condition.closed, [*for_condition, *carry], state, around)
        return run.rule.primal(found), state

    def turn(carried: Any) -> Any:
        _, carry, state = carried
        outs, state = run.closed(body.closed, [*for_body, *carry], state, inside)
        outs, state = _settled((outs, state))
        on, state = goes_on(outs, state)
        return on, outs, _settled(state)

    carry = list(boxes[first + second :])
    on, state = goes_on(carry, at.state)
    start = _settled((on, carry, state))
    _, last, at.state = lax.while_loop(lambda carried: carried[0], turn, start)
    return last


def _cond(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    which, *operands = boxes

    def branch(body: Any) -> Callable[[Boxes, Any], Any]:
        def called(boxes: Boxes, state: Any) -> Any:
            return _settled(run.closed(body.closed, boxes, state, _inside(at, body.name)))

        return called

    branches = [branch(body) for body in nested(at.eqn)]
    index = run.rule.primal(which)
    outs, at.state = lax.switch(index, branches, operands, at.state)
    return outs


def _shard_map(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    [body] = nested(at.eqn)
    where = _inside(at, body.name)
    params = at.params
    axes = tuple(params.get("manual_axes") or params["mesh"].axis_names)
    spec = jax.sharding.PartitionSpec

    def called(boxes: Boxes, state: Any) -> Any:
        outs, state = run.closed(body.closed, boxes, state, where)
        return outs, run.rule.across_devices(state, axes)

    mapped = jax.shard_map(
        called,
        mesh=params["mesh"],
        in_specs=(list(params["in_specs"]), spec()),
        out_specs=(list(params["out_specs"]), spec()),
        check_vma=params["check_vma"],
        axis_names=frozenset(params.get("newly_manual_axes") or ()),
    )
    outs, at.state = mapped(list(boxes), at.state)
    return outs


CONTROL: dict[str, Control] = {
    "jit": _call,
    "pjit": _call,
    "closed_call": _call,
    "core_call": _call,
    "eval_jaxpr": _call,
    "remat2": _remat,
    "checkpoint": _remat,
    "custom_jvp_call": _custom,
    "custom_vjp_call": _custom,
    "custom_vjp_call_jaxpr": _custom,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "shard_map": _shard_map,
}
