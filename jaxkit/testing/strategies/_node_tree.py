"""jaxtyping's `PyTree[leaf, "T"]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from jaxkit.testing.strategies._pytrees import STRUCTURES
from jaxkit.testing.strategies._sketch import Finish, Node, Sketch

__all__ = ["TreeNode"]


@dataclass(frozen=True)
class TreeNode:
    """A tree of leaves of one annotation.

    Attributes:
        leaf: what each leaf is.
        structure: the names of structures, outermost first, perhaps with `...` at one end.
    """

    leaf: Node
    structure: str | None = None

    def sketch(self, sketch: Sketch) -> Finish:
        """Decides on the structure, unless its name has one already, and sketches each leaf."""
        tree = jax.tree.structure(self._template(sketch))
        before = sketch.prefix
        parts: list[Finish] = []
        for number in range(tree.num_leaves):
            sketch.prefix = f"(Leaf {number} in structure {self.structure}) "
            parts.append(self.leaf.sketch(sketch))
        sketch.prefix = before
        return lambda filling: jax.tree.unflatten(tree, [part(filling) for part in parts])

    def _template(self, sketch: Sketch) -> Any:
        """A tree whose leaves are zeros."""
        if self.structure is None:
            return _any_tree(sketch)
        template: Any = 0
        for name in self.structure.split():
            template = _composed(template, lambda name=name: _named(name, sketch))
        return template

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds the structure's name, and by each leaf."""
        template = jax.tree.map(lambda _: 0, value)
        if self.structure is not None and self.structure.isidentifier():
            sketch.structures.setdefault(self.structure, template)
        for number, leaf in enumerate(jax.tree.leaves(value)):
            before, sketch.prefix = (
                sketch.prefix,
                f"(Leaf {number} in structure {self.structure}) ",
            )
            admitted = self.leaf.note(leaf, sketch)
            sketch.prefix = before
            if not admitted:
                return False
        return True


def _any_tree(sketch: Sketch) -> Any:
    return STRUCTURES[sketch.choose(len(STRUCTURES))]


def _named(name: str, sketch: Sketch) -> Any:
    """The structure of a name; what stands at `...` is decided each time."""
    if name == "...":
        return _any_tree(sketch)
    if name not in sketch.structures:
        sketch.structures[name] = _any_tree(sketch)
    return sketch.structures[name]


def _composed(outer: Any, inner: Any) -> Any:
    """The tree with a tree in the place of each leaf."""
    return jax.tree.map(lambda _: inner(), outer)
