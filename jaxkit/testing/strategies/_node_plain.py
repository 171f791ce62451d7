"""Annotations without dimensions: numbers, strings, constants, and what Hypothesis knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jaxkit.testing.strategies._elements import draw_elements
from jaxkit.testing.strategies._sketch import Filling, Finish, Sketch

__all__ = ["FloatNode", "IntNode", "PlainNode", "plain_node"]

# Few, because jit compiles again for each value of a static argument.
_INTEGERS = (0, 1, 2, 3, -1, -2, 10)


@dataclass(frozen=True)
class PlainNode:
    """Whatever a strategy of Hypothesis draws."""

    strategy: st.SearchStrategy[Any]
    admits: Callable[[Any], bool] = lambda value: True

    def sketch(self, sketch: Sketch) -> Finish:
        """Has no dimension to note."""
        return lambda filling: filling.draw(self.strategy)

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds nothing."""
        return self.admits(value)


@dataclass(frozen=True)
class IntNode:
    """A Python integer; as a parameter that dimensions ask for in braces, a size."""

    def sketch(self, sketch: Sketch) -> Finish:
        """An integer within the limits."""
        limits = sketch.settings.limits
        low = -np.inf if limits.min_value is None else limits.min_value
        high = np.inf if limits.max_value is None else limits.max_value
        inside = [n for n in _INTEGERS if low <= n <= high]
        if inside:
            return lambda filling: filling.draw(st.sampled_from(inside))
        bounds = limits.of_integers(np.dtype(np.int32))
        return lambda filling: filling.draw(st.integers(*bounds))

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds nothing."""
        return isinstance(value, int)


@dataclass(frozen=True)
class FloatNode:
    """A Python float, or a complex number, that float32 has as well."""

    of: type

    def sketch(self, sketch: Sketch) -> Finish:
        """Has no dimension to note."""
        return self._fill

    def _fill(self, filling: Filling) -> Any:
        dtype = np.dtype(np.float32 if self.of is float else np.complex64)
        return draw_elements(filling.draw, dtype, (), filling.settings.limits).item()

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds nothing."""
        return isinstance(value, (int, float, self.of))


def plain_node(annotation: Any) -> PlainNode | IntNode | FloatNode | None:
    """The node of a number, a string, None or bytes; None for other annotations."""
    if annotation is None or annotation is type(None):
        return PlainNode(st.none(), lambda value: value is None)
    if annotation is bool:
        return PlainNode(st.booleans(), lambda value: isinstance(value, bool))
    if annotation is int:
        return IntNode()
    if annotation in (float, complex):
        return FloatNode(annotation)
    if annotation is str:
        return PlainNode(st.text(max_size=8), lambda value: isinstance(value, str))
    if annotation is bytes:
        return PlainNode(st.binary(max_size=8), lambda value: isinstance(value, bytes))
    return None
