"""Which equations and values of a program matter: each result of a loop by itself.

A loop whose state is used and whose stacked results are not needs what the state is made of. A part
of the state that no other part, no condition and no result needs is in vain, however many turns it
takes.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit._jax.jaxprs import scan_parts
from jaxkit.jaxpr.lints.graph import Graph, Node, Region, Value


def marked(graph: Graph) -> tuple[set[int], set[int]]:
    """Ids of the equations that a result or an effect needs, and of the values.

    Args:
      graph: the program.
    """
    found = _Marks()
    for node in graph.nodes:
        if node.eqn.effects:
            found.node(node)
            if _results(node) is None:
                found.todo.extend(_all(node))
    found.todo.extend(graph.outputs)
    found.run()
    return found.nodes, found.values


class _Marks:
    def __init__(self) -> None:
        self.nodes: set[int] = set()
        self.values: set[int] = set()
        self.todo: list[Value] = []

    def run(self) -> None:
        while self.todo:
            value = self.todo.pop()
            if id(value) in self.values:
                continue
            self.values.add(id(value))
            if value.outer is not None:
                self.todo.append(value.outer)
                self.todo.extend(_carried(value))
            if value.node is not None:
                self.node(value.node)
                self.todo.extend(_behind(value, value.node))

    def node(self, node: Node) -> None:
        """That it runs, and so what it stands in."""
        holders = (region.holder for region in node.region.around)
        for each in (node, *(holder for holder in holders if holder is not None)):
            if id(each) in self.nodes:
                return
            self.nodes.add(id(each))
            self.todo.extend(_steering(each))


def _all(node: Node) -> Iterator[Value]:
    yield from node.ins
    for region in node.regions:
        yield from region.outs


def _steering(node: Node) -> Iterator[Value]:
    """What decides how often or which of its programs an equation runs."""
    if _results(node) is None:
        return
    if node.name == "cond":
        yield node.ins[0]
    for region in node.regions:
        if region.kind == "condition":
            yield from region.outs


def _behind(value: Value, node: Node) -> Iterator[Value]:
    """What a result of an equation is made of."""
    results = _results(node)
    if results is None:
        yield from _all(node)
        return
    i = next(i for i, out in enumerate(node.outs) if out is value)
    for region in results:
        yield region.outs[i]
    first = _first_carry(node)
    if first is not None and i < _carries(node):
        yield node.ins[first + i]  # where there is no turn


def _carried(value: Value) -> Iterator[Value]:
    """For a part of a loop's state, what the turn before has made of it."""
    holder = value.region.holder
    if value.kind != "carry" or holder is None:
        return
    first = _first_carry(holder)
    results = _results(holder)
    if first is None or results is None:
        yield from _all(holder)
        return
    inputs = value.region.inputs
    before = first if holder.name == "scan" else len(inputs) - len(holder.outs)
    i = next(i for i, each in enumerate(inputs) if each is value) - before
    for region in results:
        yield region.outs[i]


def _results(node: Node) -> list[Region] | None:
    """The programs whose results are, one by one, those of an equation; None where not known."""
    if not node.regions:
        return None
    if node.name == "scan":
        regions = node.regions
    elif node.name == "while":
        regions = [each for each in node.regions if each.kind == "loop"]
    elif node.name == "cond" and len(node.ins) == len(node.regions[0].inputs) + 1:
        regions = node.regions
    else:
        return None
    alike = all(len(region.outs) == len(node.outs) for region in regions)
    return regions if regions and alike else None


def _carries(node: Node) -> int:
    return scan_parts(node.eqn).carry if node.name == "scan" else len(node.outs)


def _first_carry(node: Node) -> int | None:
    """Where the state begins among the operands of a loop."""
    if node.name == "scan":
        return scan_parts(node.eqn).constants
    if node.name == "while":
        return node.params["cond_nconsts"] + node.params["body_nconsts"]
    return None
