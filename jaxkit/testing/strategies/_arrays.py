"""`arrays`: JAX arrays of a dtype and a shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jaxkit.testing.strategies._described import described
from jaxkit.testing.strategies._dtypes import as_dtype, candidates, is_category, names_of
from jaxkit.testing.strategies._elements import DrawFn, draw_elements
from jaxkit.testing.strategies._limits import Limits
from jaxkit.testing.strategies._shapes import SHAPES, as_shape

__all__ = ["arrays", "dtype_drawer", "shape_drawer"]


def arrays(
    dtype: Any = "float32",
    shape: Sequence[int] | int | st.SearchStrategy[Any] | None = None,
    *,
    elements: st.SearchStrategy[Any] | None = None,
    min_value: float | None = None,
    max_value: float | None = None,
    allow_nan: bool = False,
    allow_inf: bool = False,
    allow_subnormal: bool = False,
) -> st.SearchStrategy[jax.Array]:
    """Draws JAX arrays; shrinks to zeros, of the first dtype and the smallest shape.

    An array costs two choices whatever its size, and no element is drawn alone: from 62 elements
    on, the first 61 are repeated. Numbers are finite and moderate unless asked otherwise: floats
    are zero or have a magnitude from 2**-10 to 1000 (to the square root of the type's greatest
    number in float16 and smaller types, so that squares stay finite), integers go from -1000 to
    1000. A quarter of the elements are simple numbers or the bounds. Rounded types are drawn as
    the type has them: no element needs rounding.

    Example:
        >>> import jax.numpy as jnp
        >>> from hypothesis import find
        >>> from jaxkit.testing import arrays
        >>> find(arrays("float32", (2, 2)), lambda x: bool(x.any()))
        Array([[0., 0.],
               [0., 1.]], dtype=float32)
        >>> find(arrays("bfloat16", (3,), min_value=0.5, max_value=2), lambda x: True)
        Array([1, 1, 1], dtype=bfloat16)

    Args:
        dtype: What `jnp.dtype` takes, a category of jaxtyping such as `Float` or `Int`, of which
            the types that JAX makes by itself are drawn (`float64` and others of 64 bits only
            where they are on), or a strategy of either.
        shape: A tuple, an integer for one dimension, or a strategy of either. Without it, one of
            six shapes of up to three dimensions, each at most 3, so that a jitted function compiles
            six times at most.
        elements: A strategy of single numbers, drawn one by one: slow, for what bounds cannot say.
        min_value: The least element; of a complex array, of each part.
        max_value: The greatest element.
        allow_nan: Whether NaN is drawn.
        allow_inf: Whether infinities are drawn.
        allow_subnormal: Whether subnormal numbers are drawn, which XLA flushes to zero in float32
            and bfloat16 on most devices.

    Returns:
        A strategy of arrays that stand on JAX's default device.

    Raises:
        TypeError: No dtype, shape or bound.
        ValueError: A negative size, or bounds that admit nothing.
    """
    limits = Limits(min_value, max_value, allow_nan, allow_inf, allow_subnormal)
    draw_dtype, draw_shape = dtype_drawer(dtype), shape_drawer(shape)

    def drawn(draw: DrawFn) -> jax.Array:
        chosen, sizes = draw_dtype(draw), draw_shape(draw)
        if elements is not None:
            return jnp.asarray(_one_by_one(draw, elements, chosen, sizes))
        return jnp.asarray(draw_elements(draw, chosen, sizes, limits))

    return described(
        "arrays",
        drawn,
        dtype,
        *(() if shape is None else (shape,)),
        elements=elements,
        min_value=min_value,
        max_value=max_value,
        allow_nan=allow_nan or None,
        allow_inf=allow_inf or None,
        allow_subnormal=allow_subnormal or None,
    )


def _one_by_one(
    draw: DrawFn, elements: st.SearchStrategy[Any], dtype: np.dtype, shape: tuple[int, ...]
) -> np.ndarray:
    size = int(np.prod(shape))
    return np.array([draw(elements) for _ in range(size)], dtype).reshape(shape)


def dtype_drawer(dtype: Any) -> Callable[[DrawFn], np.dtype]:
    """What draws a dtype, from what `arrays` takes for one; the argument is checked at once."""
    if isinstance(dtype, st.SearchStrategy):
        return lambda draw: dtype_drawer(draw(dtype))(draw)
    if is_category(dtype):
        names = names_of(dtype.dtypes)
        return lambda draw: draw(st.sampled_from(_of_category(dtype, names)))
    fixed = as_dtype(dtype)

    def drawn(draw: DrawFn) -> np.dtype:
        if not candidates([fixed.name]):
            raise _off(fixed.name)
        return fixed

    return drawn


def _of_category(category: Any, names: Sequence[str]) -> list[np.dtype]:
    found = candidates(names)
    if not found:
        raise _off(category.__name__)
    return found


def _off(name: str) -> ValueError:
    return ValueError(
        f"dtype {name} has no array in JAX with 64-bit types off; turn them on with "
        "jax.config.update('jax_enable_x64', True), or draw a narrower dtype"
    )


def shape_drawer(shape: Any) -> Callable[[DrawFn], tuple[int, ...]]:
    """What draws a shape, from what `arrays` takes for one; the argument is checked at once."""
    if isinstance(shape, st.SearchStrategy):
        return lambda draw: as_shape(draw(shape))
    if shape is None:
        return lambda draw: draw(_SHAPES)
    fixed = as_shape(shape)
    return lambda draw: fixed


_SHAPES = st.sampled_from(SHAPES)
