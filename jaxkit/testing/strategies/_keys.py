"""`keys`: keys of JAX's random numbers."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from hypothesis import strategies as st

from jaxkit.testing.strategies._described import described
from jaxkit.testing.strategies._elements import DrawFn
from jaxkit.testing.strategies._shapes import as_shape

__all__ = ["draw_keys", "keys"]

_SEEDS = st.integers(0, 2**32 - 1)


def keys(
    shape: Sequence[int] | int = (), *, impl: str | None = None, legacy: bool = False
) -> st.SearchStrategy[jax.Array]:
    """Draws PRNG keys; shrinks to `jax.random.key(0)`.

    Example:
        >>> import jax
        >>> from hypothesis import find
        >>> from jaxkit.testing import keys
        >>> find(keys(), lambda key: True) == jax.random.key(0)
        Array(True, dtype=bool)
        >>> find(keys(legacy=True), lambda key: True)
        Array([0, 0], dtype=uint32)

    Args:
        shape: Of the array of keys: `()` is one key, `jax.random.key(seed)`; another is
            `jax.random.split(jax.random.key(seed), shape)`.
        impl: The generator, such as `"threefry2x32"` or `"rbg"`; JAX's default at the time of the
            draw without it.
        legacy: Whether keys are arrays of uint32, as `jax.random.PRNGKey` makes them.

    Returns:
        A strategy of arrays of keys.

    Raises:
        TypeError: No shape.
        ValueError: A negative size.
    """
    sizes = as_shape(shape)

    def drawn(draw: DrawFn) -> jax.Array:
        return draw_keys(draw, sizes, impl=impl, legacy=legacy)

    return described(
        "keys", drawn, *([shape] if sizes else []), impl=impl, legacy=True if legacy else None
    )


def draw_keys(
    draw: DrawFn, shape: tuple[int, ...], *, impl: str | None = None, legacy: bool = False
) -> jax.Array:
    """Draws an array of keys of a shape."""
    key = jax.random.key(draw(_SEEDS), impl=impl)
    array = jax.random.split(key, shape) if shape else key
    return jax.random.key_data(array) if legacy else array
