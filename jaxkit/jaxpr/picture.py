"""A program as a picture of at most a few hundred boxes.

A small program is drawn equation by equation, each call as one box. A larger one by its named
scopes, a box for each run of equations that stand in one; where it has none, the equations that
cost most are kept. There is an arrow between two boxes where something flows from one to the other,
at once or through what is not drawn.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jaxkit._jax.jaxprs import is_literal, name_stack
from jaxkit._jax.source import Sources
from jaxkit.jaxpr._walk import line_of
from jaxkit.jaxpr.nesting import nested
from jaxkit.jaxpr.rows import direction_of, type_text
from jaxkit.jaxpr.scopes import clean
from jaxkit.jaxpr.units import bytes_text, flops_text
from jaxkit.report import Graph, Node, SourceLine

if TYPE_CHECKING:
    from jaxkit.jaxpr.inspection import Inspection

_BOXES = 120
_INPUTS = 16
_SMALL = 60
_LEAST = 0.01
_NUMBER = re.compile(r"\d+")
_CROWDED = 3  # arrows a box, beyond which those are left out that others make needless


@dataclasses.dataclass(slots=True)
class _Box:
    """Equations that are drawn as one."""

    label: str
    where: SourceLine | None
    kind: str
    amount: int = 0
    inputs: set[int] = dataclasses.field(default_factory=set[int])


def picture_of(inspection: Inspection, *, boxes: int = _BOXES) -> Graph:
    """The picture.

    Example:
      >>> import jax, jaxkit, jax.numpy as jnp
      >>> step = jaxkit.inspect(lambda x: jnp.tanh(x @ x))(jax.ShapeDtypeStruct((8, 8), "float32"))
      >>> [node.label for node in picture_of(step).nodes]
      ['args[0]', 'dot_general', 'tanh']

    Args:
      inspection: what `jaxkit.inspect` gave.
      boxes: how many boxes at most.

    Raises:
      ValueError: `boxes` is below 1.
    """
    if boxes < 1:
        raise ValueError(f"boxes must be 1 or more, got boxes={boxes}")
    return _Picture(inspection, boxes).draw()


class _Picture:
    def __init__(self, inspection: Inspection, boxes: int) -> None:
        self._costs = inspection.costs
        self._by_flops = bool(self._costs.total.flops)
        total = self._costs.total
        self._whole = total.flops if self._by_flops else total.bytes
        self._limit = boxes
        self._name = inspection.name
        self._names = inspection.program.arguments
        self._sources = Sources()
        self._jaxpr, self._outer = _opened(inspection.jaxpr, self._sources)
        self._boxes: list[_Box] = []

    def draw(self) -> Graph:
        eqns = self._jaxpr.eqns
        amounts = [self._amount(eqn) for eqn in eqns]
        kept, how = self._choose(eqns, amounts)
        flows: dict[Any, frozenset[int]] = {}
        if len(eqns) <= _SMALL:
            self._arguments(flows)
        self._connect(eqns, amounts, kept, flows)
        if sum(len(box.inputs) for box in self._boxes) > _CROWDED * len(self._boxes):
            _reduce(self._boxes)
        return Graph([self._node(box) for box in self._boxes], f"{self._name}: {how}")

    def _amount(self, eqn: Any) -> int:
        cost = self._costs.of_equation(eqn)
        return cost.flops if self._by_flops else cost.bytes

    def _choose(
        self, eqns: Sequence[Any], amounts: Sequence[int]
    ) -> tuple[list[tuple[str, str] | None], str]:
        """Of each equation the label and kind of its box; equal ones that follow are one box."""
        if len(eqns) <= self._limit:
            return [(_called(eqn), f"={i}") for i, eqn in enumerate(eqns)], "each equation"
        heavy = set(sorted(range(len(eqns)), key=lambda i: -amounts[i])[: self._limit])
        scopes = [name_stack(eqn) for eqn in eqns]
        for depth, numbers in ((3, True), (2, True), (1, True), (1, False)):
            kept: list[tuple[str, str] | None] = []
            for i, scope in enumerate(scopes):
                names = "/".join(clean(scope).removesuffix(" (backward)").split("/")[:depth])
                if names:
                    names = names if numbers else _NUMBER.sub("#", names)
                    kept.append((names, f"{direction_of(scope)} "))
                elif amounts[i] >= _LEAST * self._whole and i in heavy:
                    kept.append((_called(eqns[i]), f"={i}"))
                else:
                    kept.append(None)
            if 2 < _runs(kept) <= self._limit:
                return kept, "its named scopes, in the order in which they run"
        kept = [(_called(eqn), f"={i}") if i in heavy else None for i, eqn in enumerate(eqns)]
        return kept, f"the {self._limit} most costly of {len(eqns)} equations"

    def _arguments(self, flows: dict[Any, frozenset[int]]) -> None:
        """Boxes for what enters, where it is little."""
        inputs = self._jaxpr.invars
        if len(inputs) > _INPUTS:
            return
        named = len(self._names) == len(inputs)
        used = {atom for eqn in self._jaxpr.eqns for atom in eqn.invars if not is_literal(atom)}
        for i, var in enumerate(inputs):
            if var in used:
                flows[var] = frozenset([len(self._boxes)])
                name = _argument(self._names[i]) if named else f"input {i}"
                self._boxes.append(_Box(name, None, type_text(var.aval)))

    def _connect(
        self,
        eqns: Sequence[Any],
        amounts: Sequence[int],
        kept: Sequence[tuple[str, str] | None],
        flows: dict[Any, frozenset[int]],
    ) -> None:
        last: tuple[str, str] | None = None
        for eqn, amount, key in zip(eqns, amounts, kept, strict=True):
            sources = frozenset[int]().union(
                *(flows.get(atom, frozenset()) for atom in eqn.invars if not is_literal(atom))
            )
            if key is not None:
                if key != last:
                    self._boxes.append(_Box(key[0], self._line(eqn), self._kind(eqn, key)))
                    last = key
                number = len(self._boxes) - 1
                box = self._boxes[number]
                box.amount += amount
                box.inputs |= sources - {number}
                sources = frozenset([number])
            for var in eqn.outvars:
                flows[var] = sources

    def _kind(self, eqn: Any, key: tuple[str, str]) -> str:
        if not key[1].startswith("="):
            return key[1].strip()
        return type_text(eqn.outvars[0].aval) if eqn.outvars else ""

    def _line(self, eqn: Any) -> SourceLine | None:
        return line_of(self._sources.of(eqn, self._jaxpr), self._outer)

    def _node(self, box: _Box) -> Node:
        share = min(box.amount / self._whole, 1.0) if self._whole else None
        amount = (flops_text if self._by_flops else bytes_text)(box.amount) if box.amount else ""
        detail = "  ".join(part for part in (box.kind, amount) if part)
        return Node(box.label, sorted(box.inputs), share, box.where, detail)


def _opened(jaxpr: Any, sources: Sources) -> tuple[Any, SourceLine | None]:
    """The program itself, where all that it does is call it, and the line of that call."""
    jaxpr, line = getattr(jaxpr, "jaxpr", jaxpr), None
    while len(jaxpr.eqns) == 1:
        held = nested(jaxpr.eqns[0])
        if len(held) != 1 or held[0].role != "call" or held[0].devices != 1:
            break
        line = line_of(sources.of(jaxpr.eqns[0], jaxpr), line)
        jaxpr = held[0].jaxpr
    return jaxpr, line


def _called(eqn: Any) -> str:
    name = eqn.primitive.name
    called = eqn.params.get("name")
    return called if isinstance(called, str) and called and nested(eqn) else name


def _argument(path: str) -> str:
    """``[0][1]['w']`` of (args, kwargs), as it is written in a call."""
    if path.startswith("[0]"):
        return f"args{path[3:]}"
    return path.removeprefix("[1]['").replace("']", "", 1) if path.startswith("[1]['") else path


def _runs(kept: Sequence[tuple[str, str] | None]) -> int:
    count, last = 0, None
    for key in kept:
        if key is not None and key != last:
            count, last = count + 1, key
    return count


def _reduce(boxes: list[_Box]) -> None:
    """Leaves out arrows between boxes that others already join, further around."""
    above: list[set[int]] = []
    for box in boxes:
        through: set[int] = set()
        for source in sorted(box.inputs, reverse=True):
            if source in through:
                box.inputs.discard(source)
            else:
                through |= above[source] | {source}
        above.append(through)
