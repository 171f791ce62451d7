"""`from_annotation`: values of an annotation of jaxtyping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from jaxkit.testing.strategies._call import check_dims
from jaxkit.testing.strategies._described import described
from jaxkit.testing.strategies._limits import Limits
from jaxkit.testing.strategies._reader import Reader, UnsupportedAnnotationError
from jaxkit.testing.strategies._settings import settings_of
from jaxkit.testing.strategies._shapes import MAX_SHAPES, SIZES
from jaxkit.testing.strategies._signature import shown
from jaxkit.testing.strategies._sketch import Finish, Sketch, complete

__all__ = ["from_annotation"]


def from_annotation(
    annotation: Any,
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
) -> st.SearchStrategy[Any]:
    """Draws values that satisfy an annotation; names that occur twice have one size.

    All that jaxtyping documents is understood (`*batch`, `...`, `#n`, `n+1`, `_`, `?n`, `rows=3`,
    trees with named structures, subscripts in subscripts), and around it unions, containers,
    dataclasses, Equinox modules and named tuples. At most `max_shapes` combinations of shapes
    arise for each choice of alternatives, lengths and trees; so many times a jitted function
    compiles. No dimension is 0 unless `sizes` has it.

    Example:
        >>> from hypothesis import find
        >>> from jaxtyping import Array, Float
        >>> from jaxkit.testing import from_annotation
        >>> find(from_annotation(Float[Array, "n n+1"]), lambda x: x.shape[0] > 1).shape
        (2, 3)

    Args:
        annotation: A type, as `typing.get_type_hints` gives it.
        sizes: Those that a dimension may have.
        dims: Sizes of single dimensions, such as `{"heads": (2, 4), "d": 8}`; for `*batch`, shapes
            in a list: `{"*batch": [(), (2, 3)]}`.
        max_shapes: How many different shapes are kept, the smallest among them.
        dtypes: What to draw where the annotation admits several types. Without it `Float` is
            float32, `Int` int32, `Num` float32, int32, complex64 or uint32, and float64 and so on
            as well where 64-bit types are on. An annotation that admits none of them keeps its own.
        min_value: The least number, as `arrays` takes it.
        max_value: The greatest number.
        allow_nan: Whether NaN is drawn.
        allow_inf: Whether infinities are drawn.
        allow_subnormal: Whether subnormal numbers are drawn.

    Returns:
        A strategy; JAX arrays for `Array`, NumPy's for `np.ndarray`, keys for `PRNGKeyArray`.

    Raises:
        TypeError: Nothing can be drawn from the annotation.
        ValueError: An option makes no sense; at the draw, no sizes fit.
    """
    limits = Limits(min_value, max_value, allow_nan, allow_inf, allow_subnormal)
    settings = settings_of(sizes, dims, max_shapes, dtypes, limits)
    text = shown(annotation)
    try:
        node = Reader().read(annotation)
    except UnsupportedAnnotationError as error:
        raise TypeError(
            f"annotation {text} cannot be drawn: {error}; use a strategy of your own"
        ) from error
    check_dims(dims, [node], text)

    def outline(sketch: Sketch) -> Finish:
        sketch.label = text
        return node.sketch(sketch)

    return described(
        "from_annotation",
        lambda draw: complete(draw, settings, outline, name=f"from_annotation({text})"),
        annotation,
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
