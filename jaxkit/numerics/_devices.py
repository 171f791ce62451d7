"""What one device of several has, brought to all of them: inside of `jax.shard_map`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["of_one"]


def of_one(tree: Any, score: Any, axes: tuple[str, ...]) -> Any:
    """The arrays of the device whose score is the highest, of the first of these.

    Args:
        tree: Arrays of this device.
        score: Its number.
        axes: Names of the axes along which the devices lie.
    """
    place = lax.axis_index(axes)
    none = jnp.iinfo(place.dtype).max
    first = lax.pmin(jnp.where(score == lax.pmax(score, axes), place, none), axes)

    def chosen(array: Any) -> Any:
        # A sum in which all but one are zero.
        number = array.astype(jnp.int8) if array.dtype == bool else array
        found = lax.psum(jnp.where(place == first, number, jnp.zeros_like(number)), axes)
        return found.astype(array.dtype)

    return jax.tree.map(chosen, tree)
