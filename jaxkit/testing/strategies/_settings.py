"""The options that strategies of annotated values share, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxkit.testing.strategies._dtypes import as_dtype
from jaxkit.testing.strategies._limits import Limits
from jaxkit.testing.strategies._shapes import as_shape, as_sizes
from jaxkit.testing.strategies._sketch import Settings
from jaxkit.testing.strategies._solve import Pool

__all__ = ["settings_of"]


def settings_of(
    sizes: Sequence[int],
    dims: Mapping[str, Any] | None,
    max_shapes: int,
    dtypes: Sequence[Any] | None,
    limits: Limits,
) -> Settings:
    """Settings from what a caller gave.

    Raises:
        TypeError: An option of the wrong type.
        ValueError: No sizes, or less than one shape.
    """
    if isinstance(max_shapes, bool) or not isinstance(max_shapes, int) or max_shapes < 1:
        raise ValueError(f"max_shapes must be 1 or more, got max_shapes={max_shapes!r}")
    if isinstance(dtypes, str):
        raise TypeError(f"dtypes must be a sequence such as ('float32',), got dtypes={dtypes!r}")
    pool = Pool(
        as_sizes(sizes),
        tuple((name, _dimension(name, value)) for name, value in (dims or {}).items()),
        max_shapes,
    )
    return Settings(pool, tuple(as_dtype(d, name="dtypes") for d in dtypes or ()), limits)


def _dimension(name: str, value: Any) -> tuple[Any, ...]:
    """What one name may be: sizes, or, of `*name`, shapes."""
    shown = f"dims[{name!r}]"
    if not name.startswith("*"):
        return as_sizes(value, name=shown)
    shapes = value if isinstance(value, list) else [value]
    return tuple(as_shape(shape, name=shown) for shape in shapes)
