"""Builds the graph of a program from its jaxpr."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jaxkit._jax.frames import Origin, Origins
from jaxkit._jax.jaxprs import constants, is_literal, name_stack, open_jaxpr, scan_parts
from jaxkit.jaxpr._walk import joined, line_of
from jaxkit.jaxpr.lints.graph import Graph, Kind, Node, Region, Value
from jaxkit.jaxpr.nesting import Nested, nested
from jaxkit.jaxpr.platforms import branch_of_platform
from jaxkit.report import SourceLine

# A helper that calls a helper that calls ... makes a program that is small written down and
# beyond all bounds with its calls dissolved. After so many equations calls stay as they are.
_MOST_NODES = 300_000
_REMAT = ("remat2", "checkpoint", "remat")


@dataclass(eq=False, slots=True)
class _Body:
    """A jaxpr that is being gone through.

    Attributes:
      caller: for a call that is dissolved, the body that calls, and the call.
    """

    jaxpr: Any
    eqns: Iterator[Any]
    values: dict[Any, Value]
    region: Region
    where: SourceLine | None
    origin: Origin
    scope: str
    again: bool
    caller: tuple[_Body, Node] | None = None


def build(jaxpr: Any) -> Graph:
    """The graph of a program.

    Args:
      jaxpr: a closed jaxpr.
    """
    return _Builder().build(jaxpr)


class _Builder:
    def __init__(self) -> None:
        self._origins = Origins()
        self._nodes: list[Node] = []
        self._calls: list[Node] = []
        self._constants: dict[int, Value] = {}
        self._stack: list[_Body] = []
        self._top = Region("program")

    def build(self, closed: Any) -> Graph:
        jaxpr = open_jaxpr(closed)
        values = self._captured(closed, jaxpr)
        inputs = [Value(var.aval, self._top, "input") for var in jaxpr.invars]
        values.update(zip(jaxpr.invars, inputs, strict=True))
        self._top.inputs = inputs
        nothing = Origin((), ())
        self._stack.append(
            _Body(jaxpr, iter(jaxpr.eqns), values, self._top, None, nothing, "", False)
        )
        while self._stack:
            body = self._stack[-1]
            eqn = next(body.eqns, None)
            if eqn is None:
                self._stack.pop()
                self._leave(body)
            else:
                self._equation(body, eqn)
        found = list(self._constants.values())
        return Graph(self._top, self._nodes, inputs, self._top.outs, found, self._calls)

    def _captured(self, closed: Any, jaxpr: Any) -> dict[Any, Value]:
        """The arrays that a closed jaxpr holds, one value for each array."""
        return {
            var: self._constant(var.aval, array)
            for var, array in zip(jaxpr.constvars, constants(closed), strict=False)
        }

    def _constant(self, aval: Any, array: Any) -> Value:
        known = self._constants.get(id(array))
        if known is None:
            known = Value(aval, self._top, "constant", content=array)
            self._constants[id(array)] = known
        return known

    def _value(self, body: _Body, atom: Any) -> Value:
        if not is_literal(atom):
            found = body.values.get(atom)
            if found is None:  # a constant of an open jaxpr
                found = body.values[atom] = Value(atom.aval, body.region, "inner")
            return found
        if getattr(atom.aval, "shape", ()):
            return self._constant(atom.aval, atom.val)
        return Value(atom.aval, self._top, "literal", content=atom.val)

    def _equation(self, body: _Body, eqn: Any) -> None:
        ins = [self._value(body, atom) for atom in eqn.invars]
        node = self._place(body, eqn, ins)
        bodies = [each for each in nested(eqn) if each.role not in ("combiner", "kernel")]
        if len(self._nodes) > _MOST_NODES:
            bodies = []
        if len(bodies) == 1 and _is_call(bodies[0], eqn):
            self._calls.append(node)
            again = body.again or eqn.primitive.name in _REMAT
            self._enter(bodies[0], ins, node, body.region, again, (body, node))
            return
        self._nodes.append(node)
        body.region.nodes.append(node)
        for each in dict.fromkeys(ins):
            each.users.append(node)
        node.outs = [Value(var.aval, body.region, "made", node) for var in eqn.outvars]
        body.values.update(zip(eqn.outvars, node.outs, strict=True))
        for each in _that_run(eqn, bodies):
            kind = _REGION.get(each.role, "inner")
            region = Region(kind, body.region, node, each.count)
            node.regions.append(region)
            self._enter(each, self._given(node, each, region), node, region, body.again, None)

    def _place(self, body: _Body, eqn: Any, ins: list[Value]) -> Node:
        origin = self._origins.of(eqn, body.jaxpr)
        own = bool(origin.lines)
        return Node(
            eqn,
            ins,
            [],
            body.region,
            line_of((origin.user, origin.library), body.where) if own else body.where,
            origin if own else Origin(body.origin.lines, origin.through),
            own,
            joined(body.scope, name_stack(eqn)),
            body.again,
            len(self._nodes),
        )

    def _enter(
        self,
        each: Nested,
        given: Sequence[Value],
        node: Node,
        region: Region,
        again: bool,
        caller: tuple[_Body, Node] | None,
    ) -> None:
        jaxpr = each.jaxpr
        values = self._captured(each.closed, jaxpr)
        values.update(zip(jaxpr.invars, given, strict=False))
        if caller is None:
            region.inputs = list(given)
        self._stack.append(
            _Body(
                jaxpr,
                iter(jaxpr.eqns),
                values,
                region,
                node.where,
                node.origin,
                node.scope,
                again,
                caller,
            )
        )

    def _leave(self, body: _Body) -> None:
        outs = [self._value(body, atom) for atom in body.jaxpr.outvars]
        if body.caller is None:
            body.region.outs = outs
            if body.region is not self._top:
                _ = body.region.work  # from the inside out, so that nothing recurses
            return
        outer, call = body.caller
        call.outs = outs
        outer.values.update(zip(call.eqn.outvars, outs, strict=True))

    def _given(self, node: Node, each: Nested, region: Region) -> list[Value]:
        """What the inputs of a program that an equation holds are."""
        invars, name = each.jaxpr.invars, node.name
        if name == "scan":
            parts = scan_parts(node.eqn)
            return _loop(node.ins, each.jaxpr, region, parts.constants, parts.carry)
        if name == "while":
            before, after = node.params["cond_nconsts"], node.params["body_nconsts"]
            carry = node.ins[before + after :]
            fixed = node.ins[before : before + after]
            if each.role == "loop_cond":
                fixed = node.ins[:before]
            return _loop([*fixed, *carry], each.jaxpr, region, len(fixed), len(carry))
        if name == "cond" and len(node.ins) == len(invars) + 1:
            return node.ins[1:]
        return [Value(var.aval, region, "inner") for var in invars]


_REGION: dict[str, Any] = {"loop_body": "loop", "loop_cond": "condition", "branch": "branch"}


def _loop(ins: list[Value], jaxpr: Any, region: Region, fixed: int, carry: int) -> list[Value]:
    """Constants are the values outside; so is a carry that each turn hands on as it is."""
    found = list(ins[:fixed])
    for i, var in enumerate(jaxpr.invars[fixed:], fixed):
        kind: Kind = "carry" if i < fixed + carry else "part"
        if kind == "carry" and region.kind == "loop" and jaxpr.outvars[i - fixed] is var:
            found.append(ins[i])
        else:
            found.append(Value(var.aval, region, kind, outer=ins[i]))
    return found


def _is_call(each: Nested, eqn: Any) -> bool:
    """Whether what it holds runs once, on its operands as they are."""
    return (
        each.role == "call"
        and each.count == 1
        and eqn.primitive.name not in ("shard_map", "custom_linear_solve")
        and len(each.jaxpr.invars) == len(eqn.invars)
        and len(each.jaxpr.outvars) == len(eqn.outvars)
    )


def _that_run(eqn: Any, bodies: list[Nested]) -> list[Nested]:
    """Without the branches for other platforms."""
    if bodies and bodies[0].role == "branch":
        chosen = branch_of_platform(eqn)
        if chosen is not None and chosen < len(bodies):
            return [bodies[chosen]]
    return bodies
