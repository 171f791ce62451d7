"""`shape_dtype_structs`: what `jax.eval_shape` and ahead-of-time lowering take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from hypothesis import strategies as st

from jaxkit.testing.strategies._arrays import dtype_drawer, shape_drawer
from jaxkit.testing.strategies._described import described
from jaxkit.testing.strategies._elements import DrawFn

__all__ = ["shape_dtype_structs"]


def shape_dtype_structs(
    dtype: Any = "float32", shape: Sequence[int] | int | st.SearchStrategy[Any] | None = None
) -> st.SearchStrategy[jax.ShapeDtypeStruct]:
    """Draws arrays without their elements; shrinks to the first dtype and the smallest shape.

    Example:
        >>> from hypothesis import find
        >>> from jaxkit.testing import shape_dtype_structs
        >>> find(shape_dtype_structs("int8"), lambda struct: len(struct.shape) == 2)
        ShapeDtypeStruct(shape=(2, 3), dtype=int8)

    Args:
        dtype: As `arrays` takes it.
        shape: As `arrays` takes it.

    Returns:
        A strategy of `jax.ShapeDtypeStruct`.

    Raises:
        TypeError: No dtype or shape.
        ValueError: A negative size.
    """
    draw_dtype, draw_shape = dtype_drawer(dtype), shape_drawer(shape)

    def drawn(draw: DrawFn) -> jax.ShapeDtypeStruct:
        chosen = draw_dtype(draw)
        return jax.ShapeDtypeStruct(draw_shape(draw), chosen)

    return described("shape_dtype_structs", drawn, dtype, *(() if shape is None else (shape,)))
