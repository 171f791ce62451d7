"""Annotations of tuples, lists, dicts and sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxkit.testing.strategies._sketch import Filling, Finish, Node, Sketch

__all__ = ["DictNode", "ManyNode", "TupleNode"]

# How many elements a container may have whose length nobody says; none only on request, since
# most functions of a list need an element.
_LENGTHS = (1, 2, 3)
# Not in the order of the alphabet: JAX sorts them, and code that counts on an order shows.
_KEYS = ("x", "b", "y")


@dataclass(frozen=True)
class TupleNode:
    """A tuple of so many elements, each with an annotation of its own."""

    items: tuple[Node, ...]

    def sketch(self, sketch: Sketch) -> Finish:
        """Sketches each element."""
        parts = [item.sketch(sketch) for item in self.items]
        return lambda filling: tuple([part(filling) for part in parts])

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds by each element."""
        return (
            isinstance(value, tuple)
            and len(value) == len(self.items)
            and all(item.note(part, sketch) for item, part in zip(self.items, value, strict=True))
        )


@dataclass(frozen=True)
class ManyNode:
    """Some elements of one annotation.

    Attributes:
        make: the class that holds them, from a list.
        item: the annotation.
    """

    make: Callable[[list[Any]], Any]
    item: Node

    def sketch(self, sketch: Sketch) -> Finish:
        """Decides how many, and sketches each."""
        length = _LENGTHS[sketch.choose(len(_LENGTHS))]
        parts = [self.item.sketch(sketch) for _ in range(length)]
        return lambda filling: self.make([part(filling) for part in parts])

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds by each element."""
        return isinstance(value, (list, tuple)) and all(self.item.note(v, sketch) for v in value)


@dataclass(frozen=True)
class DictNode:
    """A mapping.

    Attributes:
        make: the class, from a dict.
        key: what keys are; strings are a few fixed ones.
        value: what values are.
    """

    make: Callable[[dict[Any, Any]], Any]
    key: Node | None
    value: Node

    def sketch(self, sketch: Sketch) -> Finish:
        """Decides how many, and sketches each."""
        length = _LENGTHS[sketch.choose(len(_LENGTHS))]
        keys = [self._key(i, sketch) for i in range(length)]
        values = [self.value.sketch(sketch) for _ in range(length)]

        def finish(filling: Filling) -> Any:
            pairs = zip(keys, values, strict=True)
            return self.make({key(filling): value(filling) for key, value in pairs})

        return finish

    def _key(self, number: int, sketch: Sketch) -> Finish:
        if self.key is None:
            return lambda filling: _KEYS[number]
        return self.key.sketch(sketch)

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds by each value."""
        if not isinstance(value, Mapping):
            return False
        return all(self.value.note(part, sketch) for part in value.values())
