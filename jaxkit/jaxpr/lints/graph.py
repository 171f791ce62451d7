"""A program as values and the equations that make and use them, calls dissolved.

Rules ask it what a variable of a jaxpr does not tell: who uses a value, where it comes from through
any number of calls, whether it is the same in each turn of a loop.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxkit._jax.frames import Origin
from jaxkit.jaxpr.flops import Work, work_of
from jaxkit.jaxpr.sizes import Unknown, elements, nbytes
from jaxkit.report import SourceLine

# What a value is: an equation's result; an input of the program; an array that the function has
# captured; a number written into an equation; a loop's carry or the part of an array that a turn
# gets; an input of a program of which it is not known what it is given.
Kind = Literal["made", "input", "constant", "literal", "carry", "part", "inner"]
RegionKind = Literal["program", "loop", "condition", "branch", "inner"]


@functools.lru_cache(maxsize=256)
def _name_of(dtype: Any) -> str:
    return str(dtype)


@dataclass(eq=False, slots=True)
class Value:
    """An array in a program.

    Attributes:
      aval: its type.
      region: where it is made; for what is the same in every turn of a loop, outside.
      kind: what it is.
      node: the equation that makes it.
      content: the number of a literal, the array of a constant.
      outer: what a carry starts with, what a part is taken from.
      users: equations that read it.
      number: equal for values that are computed alike; see `numbering`.
    """

    aval: Any
    region: Region
    kind: Kind
    node: Node | None = None
    content: Any = None
    outer: Value | None = None
    users: list[Node] = field(default_factory=list["Node"])
    number: int = -1

    @property
    def dtype(self) -> str:
        """The name of its dtype; empty for what has none."""
        return _name_of(getattr(self.aval, "dtype", ""))

    @property
    def shape(self) -> tuple[Any, ...]:
        """Its shape; empty for what has none."""
        return tuple(getattr(self.aval, "shape", ()))

    @property
    def size(self) -> int:
        """How many elements it has; 0 where only a symbolic dimension tells."""
        try:
            return elements(self.aval)
        except Unknown:
            return 0

    @property
    def nbytes(self) -> int:
        """How many bytes it takes; 0 where only a symbolic dimension tells."""
        try:
            return nbytes(self.aval)
        except Unknown:
            return 0

    @property
    def weak(self) -> bool:
        """Whether its dtype gives way, as that of a Python number does."""
        return bool(getattr(self.aval, "weak_type", False))

    def __str__(self) -> str:
        """``float32[32,128]``."""
        return f"{self.dtype}[{','.join(str(n) for n in self.shape)}]"


@dataclass(eq=False, slots=True)
class Node:
    """An equation where it runs; calls are no nodes, what they call stands in their place.

    Attributes:
      eqn: the equation, of JAX's own type.
      ins: its operands.
      outs: its results.
      region: where it stands.
      where: the line to blame.
      origin: of the equation or, where it has none of its own, of the nearest call around it.
      own: whether that is its own.
      scope: the named scopes around it.
      again: whether it stands in a region that is computed once more on purpose (`jax.checkpoint`).
      regions: the programs that it holds and runs.
      order: a node comes after all whose results it uses.
    """

    eqn: Any
    ins: list[Value]
    outs: list[Value]
    region: Region
    where: SourceLine | None
    origin: Origin
    own: bool
    scope: str
    again: bool
    order: int
    regions: list[Region] = field(default_factory=list["Region"])

    @property
    def name(self) -> str:
        """The name of its primitive."""
        return self.eqn.primitive.name

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the equation."""
        return self.eqn.params

    @property
    def backward(self) -> bool:
        """Whether a gradient has it, and not the function that is differentiated."""
        return "transpose(" in self.scope

    @property
    def derived(self) -> bool:
        """Whether a derivative has it, or the function on the way to its derivative."""
        return "jvp(" in self.scope or self.backward or "linearize" in self.scope

    @property
    def work(self) -> Work:
        """What it computes each time that it runs, programs that it holds included."""
        total = _own_work(self.eqn)
        for region in self.regions:
            inner = region.work
            total = Work(*(a + b * (region.turns or 1) for a, b in zip(total, inner, strict=True)))
        return total

    @property
    def flops(self) -> int:
        """All operations of `work`."""
        work = self.work
        return work.matmul + work.linalg + work.elementwise + work.transcendentals

    @property
    def place(self) -> tuple[Any, ...]:
        """All lines that led to it: equal for equations that one execution of a line brings."""
        return self.origin.lines


@dataclass(eq=False, slots=True)
class Region:
    """A program that runs as a whole: the function, a loop's body, a branch.

    Attributes:
      kind: what it is.
      parent: what it stands in.
      holder: the equation that runs it.
      turns: how often it runs each time that its holder does; None where only values tell.
      nodes: its equations, those of the regions in it not among them.
      inputs: its inputs, those that are the same as a value outside included.
      outs: its results.
    """

    kind: RegionKind
    parent: Region | None = None
    holder: Node | None = None
    turns: int | None = 1
    nodes: list[Node] = field(default_factory=list["Node"])
    inputs: list[Value] = field(default_factory=list["Value"])
    outs: list[Value] = field(default_factory=list["Value"])
    _work: Work | None = None

    @property
    def around(self) -> Iterator[Region]:
        """Itself, and all that it stands in."""
        region: Region | None = self
        while region is not None:
            yield region
            region = region.parent

    @property
    def in_loop(self) -> bool:
        """Whether it is a loop's body or stands in one, in each turn of which it runs."""
        for region in self.around:
            if region.kind == "branch":
                return False
            if region.kind == "loop":
                return True
        return False

    @property
    def times(self) -> str:
        """``100 times``, or ``in each turn``: how often it runs when the program does."""
        count = 1
        for region in self.around:
            if region.turns is None:
                return "in each turn of the loop"
            count *= region.turns
        return f"{count} times"

    @property
    def repeats(self) -> int:
        """How often it runs, as far as that is known: loops of unknown length count as two."""
        return math.prod(2 if region.turns is None else region.turns for region in self.around)

    @property
    def work(self) -> Work:
        """What one run of it computes."""
        if self._work is None:
            total = Work()
            for node in self.nodes:
                total = Work(*map(int.__add__, total, node.work))
            self._work = total
        return self._work


@dataclass(eq=False, slots=True)
class Graph:
    """A whole program.

    Attributes:
      top: the function itself.
      nodes: all equations, each after those whose results it uses.
      inputs: the program's inputs.
      outputs: its results.
      constants: arrays that it has captured, each once.
      calls: equations that call a program, and its operands and results; they are no nodes.
    """

    top: Region
    nodes: list[Node]
    inputs: list[Value]
    outputs: list[Value]
    constants: list[Value]
    calls: list[Node]
    _marked: tuple[set[int], set[int]] | None = None

    def live(self) -> set[int]:
        """Ids of the nodes whose results matter, or that do something beside."""
        return self._marks()[0]

    def used(self) -> set[int]:
        """Ids of the values that matter."""
        return self._marks()[1]

    def _marks(self) -> tuple[set[int], set[int]]:
        if self._marked is None:
            from jaxkit.jaxpr.lints.liveness import marked

            self._marked = marked(self)
        return self._marked


def _own_work(eqn: Any) -> Work:
    try:
        return work_of(eqn) or Work()
    except Unknown:
        return Work()
