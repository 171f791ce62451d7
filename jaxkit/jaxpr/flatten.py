"""A program as the compiler will roughly see it: small calls in their place, variables numbered."""

from __future__ import annotations

from typing import Any

from jaxkit._jax.jaxprs import constants, is_literal
from jaxkit.jaxpr._walk import fold
from jaxkit.jaxpr.fusion import Flat, Kind, Op, kind_of, product_copies, size_of
from jaxkit.jaxpr.lifetimes import Lifetimes
from jaxkit.jaxpr.nesting import Nested
from jaxkit.jaxpr.platforms import branch_of_platform

# Calls of so many equations are put in place of the call; longer ones are summed up by themselves,
# so that the work stays linear in the size of the program however often they are called.
_INLINED = 64


def flat(jaxpr: Any) -> Flat:
    """A whole program, its small calls in place.

    Args:
      jaxpr: a jaxpr, closed or not.
    """

    def equation(eqn: Any, inside: list[Any]) -> Any:
        return eqn, inside

    def body(held: Any, values: list[Any]) -> Any:
        return _Builder(held).build(values)

    found: Any = fold(jaxpr, equation, body)
    found.fixed = len(constants(jaxpr))
    return found


class _Builder:
    def __init__(self, jaxpr: Any) -> None:
        self._jaxpr = jaxpr
        self._numbers: dict[Any, int] = {}
        self._sizes: list[int] = []
        self._ops: list[Op] = []

    def build(self, values: list[tuple[Any, list[tuple[Nested, Flat]]]]) -> Flat:
        inputs = [self._new(var) for var in (*self._jaxpr.constvars, *self._jaxpr.invars)]
        for eqn, inside in values:
            self._equation(eqn, [pair for pair in inside if pair[0].role != "combiner"])
        outputs = [self._number(atom) for atom in self._jaxpr.outvars]
        fixed = len(self._jaxpr.constvars)
        return Flat(self._jaxpr, self._sizes, self._ops, inputs, outputs, fixed)

    def _new(self, var: Any) -> int:
        number = self._numbers[var] = len(self._sizes)
        self._sizes.append(size_of(var.aval))
        return number

    def _number(self, atom: Any) -> int | None:
        return None if is_literal(atom) else self._numbers[atom]

    def _equation(self, eqn: Any, bodies: list[tuple[Nested, Flat]]) -> None:
        operands = [self._number(atom) for atom in eqn.invars]
        if bodies and _is_inlined(eqn, *bodies[0]):
            self._inline(eqn, bodies[0][1], operands)
            return
        kind = Kind.CALL if bodies else kind_of(eqn)
        results = [self._new(var) for var in eqn.outvars]
        read = [number for number in operands if number is not None]
        op = Op(kind, read, results, eqn, _run(eqn, bodies))
        op.extra = _extra(op)
        self._ops.append(op)

    def _inline(self, eqn: Any, inner: Flat, operands: list[int | None]) -> None:
        """Puts a program in place of its call: its inputs are the call's operands."""
        numbers: dict[int, int | None] = {}
        given = inner.inputs[len(inner.inputs) - len(operands) :]
        numbers.update(zip(given, operands, strict=True))
        for variable, size in enumerate(inner.sizes):
            if variable not in numbers:
                numbers[variable] = len(self._sizes)
                self._sizes.append(size)
        for op in inner.ops:
            read = [n for each in op.operands if (n := numbers[each]) is not None]
            made = [n for each in op.results if (n := numbers[each]) is not None]
            self._ops.append(
                Op(op.kind, read, made, op.eqn, op.bodies, op.extra, (eqn, *op.within))
            )
        for var, output in zip(eqn.outvars, inner.outputs, strict=True):
            number = None if output is None else numbers[output]
            if number is None:
                self._new(var)
            else:
                self._numbers[var] = number


def _is_inlined(eqn: Any, each: Nested, inner: Flat) -> bool:
    return (
        each.role == "call"
        and each.devices == 1
        and eqn.primitive.name not in ("shard_map", "custom_linear_solve")
        and len(inner.ops) <= _INLINED
        and len(inner.inputs) - inner.fixed == len(eqn.invars)
        and len(inner.outputs) == len(eqn.outvars)
    )


def _run(eqn: Any, bodies: list[tuple[Nested, Flat]]) -> list[tuple[Nested, Flat]]:
    """Without the branches for other platforms."""
    if bodies and bodies[0][0].role == "branch":
        chosen = branch_of_platform(eqn)
        if chosen is not None:
            return [bodies[chosen]]
    return bodies


def _extra(op: Op) -> int:
    """Bytes that the programs of an equation need beside their inputs, its results included.

    What a loop returns stands beside what one turn of it makes.
    """
    if op.kind is Kind.PRODUCT:
        return product_copies(op.eqn) + size_of(op.eqn.outvars[0].aval)
    most = 0
    for _, body in op.bodies:
        if body.extra is None:
            body.extra = Lifetimes(body).worst().bytes
        most = max(most, body.extra)
    if any(each.role in ("loop_body", "kernel") for each, _ in op.bodies):
        return most + sum(size_of(var.aval) for var in op.eqn.outvars)
    return most
