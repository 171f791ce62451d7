"""Which equations the results of others go into."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from jaxkit.numerics.precision.plan import Node, Tap

__all__ = ["Ancestry", "operands"]


class Ancestry:
    """The graph of the values of a program, followed forwards.

    Args:
        taps: Its measured equations.
    """

    def __init__(self, taps: Iterable[Tap]) -> None:
        self._users: dict[int, list[Node]] = defaultdict(list)
        self._known: dict[int, set[int]] = {}
        stack = [tap.node for tap in taps]
        seen = {id(node) for node in stack}
        while stack:
            node = stack.pop()
            for each in node.inputs:
                self._users[id(each)].append(node)
                if id(each) not in seen:
                    seen.add(id(each))
                    stack.append(each)

    def feeds(self, first: Tap, second: Tap) -> bool:
        """Whether the result of one equation goes into another, in a later turn if need be."""
        found = self._known.get(id(first))
        if found is None:
            found = self._known[id(first)] = self._after(first.node)
        return id(second.node) in found

    def _after(self, node: Node) -> set[int]:
        stack, seen = [node], set[int]()
        while stack:
            for each in self._users.get(id(stack.pop()), ()):
                if id(each) not in seen:
                    seen.add(id(each))
                    stack.append(each)
        return seen


def operands(tap: Tap) -> tuple[list[Tap], bool]:
    """The measured equations nearest below one in the same turn; whether it takes from another."""
    found: list[Tap] = []
    stack, seen = list(tap.node.inputs), set[int]()
    carried = False
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        carried |= node.name == "carry"
        if node.tap is not None:
            found.append(node.tap)
        elif node.name != "carry":
            stack += node.inputs
    return found, carried
