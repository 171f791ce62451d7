"""Annotations that are classes with fields: dataclasses, Equinox modules, named tuples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxkit.testing.strategies._sketch import Filling, Finish, Node, Sketch

__all__ = ["ClassNode"]


@dataclass
class ClassNode:
    """An object of a class, from its fields.

    Dimensions in fields agree with those of the function, although checkers look at them apart:
    `weight: Float[Array, "out in"]` is of use only to an argument of size `in`.

    Attributes:
        make: the class, called with its fields by keyword.
        admits: whether a value is of the class.
        fields: the annotations; filled in later, since a field may be of the class itself.
        optional: the fields that may be missing.
    """

    make: Callable[..., Any]
    admits: Callable[[Any], bool]
    fields: dict[str, Node] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()

    def sketch(self, sketch: Sketch) -> Finish:
        """Sketches each field, in a scope of its own."""
        before = sketch.scope
        sketch.scopes += 1
        sketch.scope = sketch.scopes
        sketch.depth += 1
        parts = {
            name: node.sketch(sketch)
            for name, node in self.fields.items()
            if name not in self.optional or sketch.choose(2)
        }
        sketch.depth -= 1
        sketch.scope = before

        def finish(filling: Filling) -> Any:
            return self.make(**{name: part(filling) for name, part in parts.items()})

        return finish

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds by each field."""
        if not self.admits(value):
            return False
        for name, node in self.fields.items():
            part = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
            node.note(part, sketch)
        return True
