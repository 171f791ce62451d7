"""Which equations of a program are measured, and how they nest in loops and branches.

The order is that in which `Run` evaluates them, so that a rule can count along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.calls import CALLS
from jaxkit.jaxpr.nesting import nested
from jaxkit.numerics.precision.wide import MOVES, OPAQUE, is_float
from jaxkit.report import SourceLine

__all__ = [
    "Branch",
    "Frame",
    "Loop",
    "Node",
    "Tap",
    "is_decision",
    "is_measured",
    "loops_of",
    "plan_of",
]


@dataclasses.dataclass(eq=False)
class Node:
    """A value of the program, and what it is made of.

    Args:
        name: The primitive that makes it; `input`, `constant`, `carry` (of a loop: what it starts
            with, and what the last turn left) or `cond` (of one branch or another).
        inputs: What it is made of.
        eqn: The equation that makes it.
        value: That of a constant.
        tap: Its measurement, if it is measured.
    """

    name: str
    inputs: list[Node] = dataclasses.field(default_factory=list)
    eqn: Any = None
    value: Any = None
    tap: Tap | None = None


@dataclasses.dataclass(eq=False)
class Tap:
    """An equation that is measured.

    Args:
        index: Its position among all of them, in program order.
        eqn: The equation.
        turns: The loops that it stands in, the outermost first.
        node: Where it stands in the graph of values.
        where: Its line; it and what follows are known once the program has been traced.
        scope: The named scopes around it.
        path: The jitted functions and loops around it.
        looked_at: Whether its errors are looked at, or only what they do to others.
    """

    index: int
    eqn: Any
    turns: tuple[Loop, ...]
    node: Node
    where: SourceLine | None = None
    scope: str = ""
    path: tuple[str, ...] = ()
    looked_at: bool = True

    @property
    def primitive(self) -> str:
        """The name of its primitive."""
        return self.eqn.primitive.name


@dataclasses.dataclass(eq=False)
class Loop:
    """A scan, or a while that is replayed as one."""

    eqn: Any
    body: Frame
    length: int
    condition: Frame | None = None

    def frames(self) -> list[Frame]:
        """What is measured in it."""
        return [self.body]


@dataclasses.dataclass(eq=False)
class Branch:
    """A cond; or a shard_map, which has one."""

    eqn: Any
    branches: list[Frame]

    def frames(self) -> list[Frame]:
        """What is measured in each branch."""
        return self.branches


@dataclasses.dataclass(eq=False)
class Frame:
    """What is measured in one body: its equations, and the loops and branches in it."""

    taps: list[Tap] = dataclasses.field(default_factory=list)
    decisions: list[Tap] = dataclasses.field(default_factory=list)
    inner: list[Loop | Branch] = dataclasses.field(default_factory=list)

    def all_decisions(self) -> Iterator[Tap]:
        """Its decisions and those of the loops and branches in it, in no certain order."""
        yield from self.decisions
        for each in self.inner:
            held = getattr(each, "condition", None)
            for frame in ([held] if held else []) + each.frames():
                yield from frame.all_decisions()

    def all_taps(self) -> Iterator[Tap]:
        """Those of the loops and branches too."""
        yield from self.taps
        for each in self.inner:
            for frame in each.frames():
                yield from frame.all_taps()


def is_measured(eqn: Any) -> bool:
    """Whether an equation may introduce an error."""
    name = eqn.primitive.name
    if name in MOVES or name in OPAQUE or name in ("iota", "sort", "top_k"):
        return False
    outs = [var.aval for var in eqn.outvars if is_float(var.aval)]
    if not outs or all(aval.dtype in (jnp.float64, jnp.complex128) for aval in outs):
        return False
    return any(is_float(atom.aval) for atom in eqn.invars) or name == "convert_element_type"


def is_decision(eqn: Any) -> bool:
    """Whether what is floating-point decides on what is not, or on one step of a stair."""
    if eqn.primitive.name in ("floor", "ceil", "round", "sign"):
        return True
    if eqn.primitive.name in OPAQUE or eqn.primitive.name in ("sort", "is_finite"):
        return False
    if not any(is_float(atom.aval) for atom in eqn.invars):
        return False
    return not any(is_float(var.aval) for var in eqn.outvars)


def plan_of(closed: Any, trips: dict[int, int]) -> Frame:
    """Plans the measurement of a program.

    Args:
        closed: The program.
        trips: How often each `while` turns, by the identity of its equation.
    """
    jaxpr = jaxprs.open_jaxpr(closed)
    return _Planner(trips).frame(closed, (), [Node("input") for _ in jaxpr.invars])[0]


class _Planner:
    def __init__(self, trips: dict[int, int]) -> None:
        self.trips = trips
        self.count = 0
        self.decided = 0

    def frame(self, closed: Any, turns: tuple[Loop, ...], given: Sequence[Node]) -> Any:
        frame = Frame()
        return frame, self.fill(frame, closed, turns, given)

    def fill(
        self, frame: Frame, closed: Any, turns: tuple[Loop, ...], given: Sequence[Node]
    ) -> list[Node]:
        """Adds the equations of a jaxpr to a frame; gives the nodes of its results."""
        jaxpr = jaxprs.open_jaxpr(closed)
        fixed = [Node("constant", value=value) for value in jaxprs.constants(closed)]
        env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*fixed, *given], strict=True))

        def read(atom: Any) -> Node:
            return Node("constant", value=atom.val) if jaxprs.is_literal(atom) else env[atom]

        for eqn in jaxpr.eqns:
            outs = self.equation(frame, eqn, turns, [read(atom) for atom in eqn.invars])
            env.update(zip(eqn.outvars, outs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def equation(self, frame: Frame, eqn: Any, turns: Any, given: list[Node]) -> list[Node]:
        name = eqn.primitive.name
        if name == "scan":
            return self.scan(frame, eqn, turns, given)
        if name == "while":
            return self.turning(frame, eqn, turns, given)
        if name == "cond":
            bodies = [self.frame(body.closed, turns, given[1:]) for body in nested(eqn)]
            frame.inner.append(Branch(eqn, [body for body, _ in bodies]))
            return [Node("cond", list(outs)) for outs in zip(*(o for _, o in bodies), strict=True)]
        if name == "shard_map":
            body, outs = self.frame(nested(eqn)[0].closed, turns, given)
            frame.inner.append(Branch(eqn, [body]))
            return outs
        if (inner := inlined(eqn)) is not None:
            return self.fill(frame, inner, turns, _taken(eqn, given))
        node = Node(name, given, eqn)
        if is_measured(eqn):
            node.tap = Tap(self.count, eqn, turns, node)
            frame.taps.append(node.tap)
            self.count += 1
        if is_decision(eqn):
            frame.decisions.append(Tap(self.decided, eqn, turns, node))
            self.decided += 1
        return [node] * len(eqn.outvars)

    def scan(self, frame: Frame, eqn: Any, turns: Any, given: list[Node]) -> list[Node]:
        parts = jaxprs.scan_parts(eqn)
        first, second = parts.constants, parts.constants + parts.carry
        return self.loop(
            frame,
            Loop(eqn, Frame(), eqn.params["length"]),
            nested(eqn)[0].closed,
            turns,
            (given[:first], given[first:second], given[second:]),
        )

    def turning(self, frame: Frame, eqn: Any, turns: Any, given: list[Node]) -> list[Node]:
        first, second = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
        held, start = given[first : first + second], given[first + second :]
        checks = Frame()
        loop = Loop(eqn, Frame(), self.trips[id(eqn)], checks)
        condition = nested(eqn)[0]
        checked = [Node("carry") for _ in condition.jaxpr.invars]
        taps, self.count = self.count, 0
        self.fill(checks, condition.closed, (*turns, loop), checked)
        self.count = taps  # conditions are not measured
        return self.loop(frame, loop, nested(eqn)[1].closed, turns, (held, start, []))

    def loop(self, frame: Frame, loop: Loop, body: Any, turns: Any, given: Any) -> list[Node]:
        held, start, inputs = given
        carry = [Node("carry", [node]) for node in start]
        frame.inner.append(loop)
        outs = self.fill(loop.body, body, (*turns, loop), [*held, *carry, *inputs])
        for node, after in zip(carry, outs, strict=False):
            node.inputs.append(after)
        return outs


def _taken(eqn: Any, given: list[Node]) -> list[Node]:
    """The operands that go into the program that takes an equation's place."""
    if eqn.primitive.name != "custom_linear_solve":
        return given
    lengths = eqn.params["const_lengths"]
    before = lengths.matvec + lengths.vecmat
    return [*given[before : before + lengths.solve], *given[sum(lengths) :]]


def inlined(eqn: Any) -> Any:
    """The program that takes an equation's place; None if it is evaluated as one."""
    name = eqn.primitive.name
    if name not in CALLS:
        return None
    if name == "call_hi_primitive":
        closed = jaxprs.expanded(eqn)
        return closed if closed is not None and jaxprs.open_jaxpr(closed).eqns else None
    return nested(eqn)[0].closed


def loops_of(closed: Any) -> list[Any]:
    """Every `while` of a program, each equation once."""
    found: dict[int, Any] = {}
    stack = [closed]
    seen: set[int] = set()
    while stack:
        jaxpr = jaxprs.open_jaxpr(stack.pop())
        if id(jaxpr) in seen:
            continue
        seen.add(id(jaxpr))
        for eqn in jaxpr.eqns:
            if eqn.primitive.name == "while":
                found[id(eqn)] = eqn
            stack += [each.closed for each in nested(eqn) if each.role != "combiner"]
    return list(found.values())
