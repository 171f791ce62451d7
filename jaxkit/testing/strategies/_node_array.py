"""Annotations that are an array: jaxtyping's, `jax.Array`, `np.ndarray`, NumPy's scalars."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np

from jaxkit.testing.strategies._axes import Axis, parse_axes
from jaxkit.testing.strategies._braces import expand
from jaxkit.testing.strategies._dtypes import KEY, as_dtype, candidates, names_of
from jaxkit.testing.strategies._elements import draw_elements
from jaxkit.testing.strategies._holes import bind
from jaxkit.testing.strategies._keys import draw_keys
from jaxkit.testing.strategies._sketch import Filling, Finish, Sketch, pick

__all__ = ["ArrayNode", "ScalarNode", "array_node"]

Kind = Literal["jax", "numpy", "struct"]

# Arrays about whose shape nothing is said share one, so that functions of them can be called.
_COMMON = (Axis("variadic", "the shape of arrays without one"),)
_FLOATS = ("float32",)
_SCALARS = {
    np.generic: _FLOATS,
    np.number: _FLOATS,
    np.inexact: _FLOATS,
    np.floating: _FLOATS,
    np.complexfloating: ("complex64",),
    np.integer: ("int32",),
    np.signedinteger: ("int32",),
    np.unsignedinteger: ("uint32",),
}


@dataclass(frozen=True)
class ArrayNode:
    """An array.

    Attributes:
        kind: of what class.
        names: of the dtypes it may have.
        axes: its dimensions.
    """

    kind: Kind
    names: tuple[str, ...]
    axes: tuple[Axis, ...]

    def sketch(self, sketch: Sketch, others: tuple[tuple[Axis, ...], ...] = ()) -> Finish:
        """Notes the array."""
        number = sketch.add(expand(self.axes, sketch), others=others)
        label = sketch.label
        return lambda filling: self._fill(filling, filling.shapes[number], label)

    def _fill(self, filling: Filling, shape: tuple[int, ...], label: str) -> Any:
        if KEY in self.names and self.kind == "jax":
            return draw_keys(filling.draw, shape)
        options = self.dtypes(filling.settings.dtypes)
        if not options:
            raise ValueError(
                f"{label} has a dtype that JAX does not have with 64-bit types off; turn them on "
                "with jax.config.update('jax_enable_x64', True), or annotate a narrower one"
            )
        dtype = options[0] if len(options) == 1 else filling.draw(pick(tuple(options)))
        if self.kind == "struct":
            return jax.ShapeDtypeStruct(shape, dtype)
        values = draw_elements(filling.draw, dtype, shape, filling.settings.limits)
        return values if self.kind == "numpy" else jnp.asarray(values)

    def dtypes(self, wanted: tuple[np.dtype, ...] = ()) -> list[np.dtype]:
        """From which dtypes one is drawn now."""
        if KEY in self.names:
            return []
        return candidates(self.names, wanted, on_host=self.kind != "jax")

    @property
    def available(self) -> bool:
        """Whether there can be such an array now, 64-bit types being on or off."""
        return KEY in self.names or bool(self.dtypes())

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds names to the sizes of an array that is there."""
        shape, axes = getattr(value, "shape", None), expand(self.axes, sketch)
        if not isinstance(shape, tuple) or bind(axes, shape) is None:
            return False
        sketch.add(axes, shape=shape)
        return True

    def may_be_taken_for(self, other: ArrayNode) -> bool:
        """Whether an array of this kind could satisfy another annotation."""
        return self.kind == other.kind and not set(self.names).isdisjoint(other.names)


@dataclass(frozen=True)
class ScalarNode:
    """A scalar of NumPy: `np.float32(1)`."""

    names: tuple[str, ...]

    def sketch(self, sketch: Sketch) -> Finish:
        """Has no dimension to note."""
        return self._fill

    def _fill(self, filling: Filling) -> Any:
        options = candidates(self.names, filling.settings.dtypes, on_host=True)
        dtype = filling.draw(pick(tuple(options)))
        return draw_elements(filling.draw, dtype, (), filling.settings.limits)[()]

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Binds nothing."""
        return isinstance(value, np.generic)


def array_node(annotation: Any) -> ArrayNode | ScalarNode | None:
    """The node of an annotation that is an array, or None.

    Raises:
        TypeError: It is an array of a library that is not drawn here.
    """
    if isinstance(annotation, type) and issubclass(annotation, jaxtyping.AbstractArray):
        return _of_jaxtyping(annotation)
    if annotation is jax.Array:
        return ArrayNode("jax", _FLOATS, _COMMON)
    if annotation is jax.ShapeDtypeStruct:
        return ArrayNode("struct", _FLOATS, _COMMON)
    if annotation is np.ndarray:
        return ArrayNode("numpy", _FLOATS, _COMMON)
    if get_origin(annotation) is np.ndarray:
        return ArrayNode("numpy", _of_ndarray(annotation), _COMMON)
    if isinstance(annotation, type) and issubclass(annotation, np.generic):
        return ScalarNode(_SCALARS.get(annotation) or (np.dtype(annotation).name,))
    return None


def _of_jaxtyping(annotation: Any) -> ArrayNode:
    kind = _kind(annotation.array_type)
    if kind is None:
        raise TypeError(f"arrays of {annotation.array_type!r} are not drawn")
    names = names_of(annotation.dtypes)
    return ArrayNode(kind, names, parse_axes(annotation.dim_str))


@functools.cache
def _kind(array_type: Any) -> Kind | None:
    if array_type is Any or (isinstance(array_type, type) and array_type is jax.Array):
        return "jax"
    if array_type is np.ndarray:
        return "numpy"
    return "struct" if array_type is jax.ShapeDtypeStruct else None


def _of_ndarray(annotation: Any) -> tuple[str, ...]:
    """The dtypes of `np.ndarray[shape, np.dtype[scalar]]`."""
    for scalar in (arg for part in get_args(annotation) for arg in get_args(part)):
        if isinstance(scalar, type) and issubclass(scalar, np.generic):
            return _SCALARS.get(scalar) or (as_dtype(scalar).name,)
    return _FLOATS
