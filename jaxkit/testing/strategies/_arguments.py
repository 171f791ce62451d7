"""`arguments_for`: arguments of a function, from its annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from jaxkit.testing.strategies._call import Call, check_dims
from jaxkit.testing.strategies._described import described
from jaxkit.testing.strategies._limits import Limits
from jaxkit.testing.strategies._settings import settings_of
from jaxkit.testing.strategies._shapes import MAX_SHAPES, SIZES
from jaxkit.testing.strategies._signature import name_of
from jaxkit.testing.strategies._sketch import complete

__all__ = ["arguments_for"]


def arguments_for(
    fun: Callable[..., Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    sizes: Sequence[int] = SIZES,
    dims: Mapping[str, Any] | None = None,
    max_shapes: int = MAX_SHAPES,
    dtypes: Sequence[Any] | None = None,
    min_value: float | None = None,
    max_value: float | None = None,
    allow_nan: bool = False,
    allow_inf: bool = False,
    allow_subnormal: bool = False,
) -> st.SearchStrategy[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Draws arguments that satisfy a function's annotations, dimensions agreeing across them.

    All dimensions are solved together, never filtered: `x: Float[Array, "b d"]` and
    `y: Float[Array, "d+1"]` always fit each other, fields of dataclasses and Equinox modules
    among them. Parameters that have a default are all left out or all given; `*args` and
    `**kwargs` hold up to two. At most `max_shapes` combinations of shapes arise for each choice of
    alternatives, lengths, trees and defaults: so many times a jitted function compiles. Arrays
    annotated without dimensions (`jax.Array`) share a shape, which `Float[Array, "..."]` does not.

    Example:
        >>> import jax.numpy as jnp
        >>> from hypothesis import given, settings
        >>> from jaxtyping import Array, Float
        >>> from jaxkit.testing import arguments_for
        >>> def attend(q: Float[Array, "*b n d"], k: Float[Array, "*b m d"], *, scale: float = 1.0):
        ...     return jnp.einsum("...nd,...md->...nm", q, k) * scale
        >>> @settings(max_examples=10, deadline=None)
        ... @given(arguments_for(attend, dims={"d": 4}))
        ... def test_attend(arguments):
        ...     args, kwargs = arguments
        ...     assert attend(*args, **kwargs).shape[-1] == args[1].shape[-2]
        >>> test_attend()

    Args:
        fun: Any callable with annotated parameters: a function, a method, a partial, a jitted
            function, an Equinox module, a class.
        overrides: What to draw for single parameters, by name: a strategy, or a value. An array
            whose parameter has dimensions binds them for the others. Of `*args` a tuple, of
            `**kwargs` a dict.
        sizes: Those that a dimension may have.
        dims: Sizes of single dimensions, such as `{"heads": (2, 4), "d": 8}`; for `*batch`, shapes
            in a list: `{"*batch": [(), (2, 3)]}`.
        max_shapes: How many different shapes of all arguments together are kept.
        dtypes: What to draw where an annotation admits several types, as `from_annotation` takes
            it.
        min_value: The least number, of all arguments.
        max_value: The greatest number.
        allow_nan: Whether NaN is drawn.
        allow_inf: Whether infinities are drawn.
        allow_subnormal: Whether subnormal numbers are drawn.

    Returns:
        A strategy of `(args, kwargs)`: keyword-only parameters are in `kwargs`, and those that
        follow one that is left out.

    Raises:
        TypeError: A parameter without a default has no annotation, or one from which nothing can
            be drawn; an override of no parameter.
        ValueError: An option makes no sense; at the draw, no sizes fit.
    """
    limits = Limits(min_value, max_value, allow_nan, allow_inf, allow_subnormal)
    settings = settings_of(sizes, dims, max_shapes, dtypes, limits)
    given = dict(overrides or {})
    call = Call.of(fun, given)
    check_dims(dims, call.nodes.values(), name_of(fun))
    name = f"arguments_for({name_of(fun)})"

    def drawn(draw: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        values = {
            key: draw(value) if isinstance(value, st.SearchStrategy) else value
            for key, value in given.items()
        }
        return complete(draw, settings, lambda sketch: call.sketch(sketch, values), name=name)

    return described(
        "arguments_for",
        drawn,
        fun,
        *([overrides] if overrides else []),
        sizes=None if sizes == SIZES else sizes,
        dims=dims,
        max_shapes=None if max_shapes == MAX_SHAPES else max_shapes,
        dtypes=dtypes,
        min_value=min_value,
        max_value=max_value,
        allow_nan=allow_nan or None,
        allow_inf=allow_inf or None,
        allow_subnormal=allow_subnormal or None,
    )
