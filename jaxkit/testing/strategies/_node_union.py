"""Annotations with alternatives: unions, optional values, constrained type variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxkit.testing.strategies._axes import parse_axes
from jaxkit.testing.strategies._dtypes import KEY
from jaxkit.testing.strategies._node_array import ArrayNode, ScalarNode
from jaxkit.testing.strategies._node_plain import PlainNode
from jaxkit.testing.strategies._sketch import Finish, Node, Sketch

__all__ = ["UnionNode", "is_none", "union_of"]

# From this depth of classes in classes on, None is preferred: a list that links to itself ends.
_DEEP = 4
# The last dimension of raw keys, by generator.
_WORDS = parse_axes("2 4")


@dataclass(frozen=True)
class UnionNode:
    """One of several.

    Attributes:
        members: the alternatives.
        variable: the type variable for which one alternative is taken throughout a call.
    """

    members: tuple[Node, ...]
    variable: Any = None

    def sketch(self, sketch: Sketch) -> Finish:
        """Decides which."""
        members = self._available(sketch)
        if self.variable is not None and self.variable in sketch.variables:
            taken = sketch.variables[self.variable] % len(members)
        else:
            taken = sketch.choose(len(members))
            if self.variable is not None:
                sketch.variables[self.variable] = taken
        member = members[taken]
        if not isinstance(member, ArrayNode):
            return member.sketch(sketch)
        others = [m for m in self.members if isinstance(m, ArrayNode) and m is not member]
        return member.sketch(
            sketch, tuple(other.axes for other in others if member.may_be_taken_for(other))
        )

    def _available(self, sketch: Sketch) -> list[Node]:
        if sketch.depth >= _DEEP:
            ends: list[Node] = [m for m in self.members if isinstance(m, PlainNode)]
            if ends:
                return ends
        found = [m for m in self.members if not isinstance(m, ArrayNode) or m.available]
        return found or list(self.members)

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds by the first alternative that admits the value."""
        return any(member.note(value, sketch) for member in self.members)


def union_of(members: list[Node], variable: Any = None) -> Node:
    """One of several, None first among them, without old-style keys where there are new ones."""
    members = _without_raw_keys(members)
    members.sort(key=lambda member: not is_none(member))
    arrays = [member for member in members if isinstance(member, ArrayNode)]
    if arrays:
        # `Float[ArrayLike, ""]` has among its members a plain `np.number`: a float is meant.
        members = [
            ScalarNode(arrays[0].names) if isinstance(member, ScalarNode) else member
            for member in members
        ]
    return members[0] if len(members) == 1 else UnionNode(tuple(members), variable)


def is_none(member: Node) -> bool:
    """Whether this is the annotation None."""
    return isinstance(member, PlainNode) and member.admits(None) and not member.admits("")


def _without_raw_keys(members: list[Node]) -> list[Node]:
    """`PRNGKeyArray` admits raw keys of two sizes, one of which is no key at all."""
    keys = [m for m in members if isinstance(m, ArrayNode) and KEY in m.names]
    raw = {(*key.axes, word) for key in keys for word in _WORDS}
    return [m for m in members if not (isinstance(m, ArrayNode) and _is_raw(m, raw))]


def _is_raw(node: ArrayNode, raw: set[tuple]) -> bool:
    return node.names == ("uint32",) and node.axes in raw
