"""Equations that call a program once: what is called takes their place.

A function with derivatives of its own keeps them, where boxes are the arrays alone.
"""

# JAX's own annotations are unknown in part.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
from jax.custom_derivatives import SymbolicZero

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.boxes import all_plain
from jaxkit.jaxpr.nesting import nested
from jaxkit.jaxpr.rule import Where

if TYPE_CHECKING:
    from jaxkit.jaxpr.rule import Equation
    from jaxkit.jaxpr.run import Run

Boxes = Sequence[Any]


class Call(NamedTuple):
    """A jaxpr to be evaluated in the place of the equation that calls it."""

    closed: Any
    boxes: Boxes
    where: Where


# None: to be evaluated as an equation like any other.
Control = Callable[["Run", "Equation", Boxes], "Boxes | Call | None"]


def inside(at: Equation, name: str, *, loops: int = 0) -> Where:
    """What a jaxpr in an equation is nested in; with `loops=1` where the equation is a loop."""
    outer = (*at.outer, at.eqn)
    return Where((*at.path, name), at.where, at.scope, at.loops + loops, outer, at.jaxprs)


def _call(run: Run, at: Equation, boxes: Boxes) -> Call:
    [body] = nested(at.eqn)
    return Call(body.closed, boxes, inside(at, body.name))


def _remat(run: Run, at: Equation, boxes: Boxes) -> Boxes:
    [body] = nested(at.eqn)
    params = at.params
    # What a backward pass computes again must not be merged with what the forward pass did.
    again = params.get("differentiated", False) and params["prevent_cse"]

    def called(boxes: Boxes, state: Any) -> Any:
        if again:
            boxes, state = jax.lax.optimization_barrier((boxes, state))
        return run.closed(body.closed, boxes, state, inside(at, body.name))

    with jaxprs.place_of(at.eqn):
        outs, at.state = jax.checkpoint(
            called, prevent_cse=params["prevent_cse"], policy=params["policy"]
        )(list(boxes), at.state)
    return outs


def _custom(run: Run, at: Equation, boxes: Boxes) -> Boxes | Call:
    """A function with derivatives of its own."""
    [body] = nested(at.eqn)
    return _kept(run, at, boxes, body.closed, inside(at, body.name))


def _solve(run: Run, at: Equation, boxes: Boxes) -> Boxes | Call:
    """A linear solve, of whose operands the solver takes its own and the right-hand sides."""
    [body] = nested(at.eqn)
    lengths = at.params["const_lengths"]
    before = lengths.matvec + lengths.vecmat
    taken = [*range(before, before + lengths.solve), *range(sum(lengths), len(boxes))]
    return _kept(run, at, boxes, body.closed, inside(at, body.name), taken)


def _hijax(run: Run, at: Equation, boxes: Boxes) -> Boxes | Call | None:
    """A primitive that stands for a program which other primitives of JAX's make up."""
    closed = jaxprs.expanded(at.eqn)
    if closed is None or not jaxprs.open_jaxpr(closed).eqns:
        return None
    if run.is_plain and jaxprs.only_backwards(at.eqn):  # of which `_kept` could keep nothing
        return None
    name = type(at.params.get("_prim")).__name__
    return _kept(run, at, boxes, closed, inside(at, name))


def _kept(
    run: Run,
    at: Equation,
    boxes: Boxes,
    closed: Any,
    where: Where,
    taken: Sequence[int] | None = None,
) -> Boxes | Call:
    """Evaluates a call so that the equation's own derivatives stay those of its result."""
    eqn = at.eqn
    chosen = range(len(boxes)) if taken is None else taken
    arrays = all(jaxprs.is_array_type(atom.aval) for atom in eqn.invars)
    if not arrays or jax.tree.leaves(at.state) or not all_plain(eqn.invars, boxes):
        return Call(closed, [boxes[i] for i in chosen], where)

    @jax.custom_jvp
    def called(*values: Any) -> Any:
        return run.closed(closed, [values[i] for i in chosen], (), where)[0]

    def rule(primals: Any, tangents: Any) -> Any:
        return called(*primals), _tangents(eqn, primals, tangents)

    called.defjvp(rule, symbolic_zeros=True)
    with jaxprs.place_of(eqn):
        return called(*boxes)


def _tangents(eqn: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Those of the results, by the equation's own rule, which is told what is not varied."""
    varied = [i for i, tangent in enumerate(tangents) if not isinstance(tangent, SymbolicZero)]

    def of_varied(*values: Any) -> Any:
        given = list(primals)
        for index, value in zip(varied, values, strict=True):
            given[index] = value
        return jaxprs.bind(eqn, given)

    if not varied:
        return [SymbolicZero(var.aval.to_tangent_aval()) for var in eqn.outvars]
    before, along = [primals[i] for i in varied], [tangents[i] for i in varied]
    return jax.jvp(of_varied, before, along)[1]


CALLS: dict[str, Control] = {
    "jit": _call,
    "pjit": _call,
    "closed_call": _call,
    "core_call": _call,
    "eval_jaxpr": _call,
    "composite": _call,
    "remat2": _remat,
    "checkpoint": _remat,
    "custom_jvp_call": _custom,
    "custom_vjp_call": _custom,
    "custom_vjp_call_jaxpr": _custom,
    "custom_linear_solve": _solve,
    "call_hi_primitive": _hijax,
}
