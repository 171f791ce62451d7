# JAX's own annotations are partial:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Padding and cutting one axis of an array, without compiling anything where that is possible."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["cut", "pad"]


def pad(array: Any, axis: int, size: int) -> Any:
    """The array with zeros at the end of an axis, up to a size.

    Args:
        array: Of NumPy or JAX, or anything that becomes an array. The data of random keys is
            padded.
        axis: From 0.
        size: Not below the array's.
    """
    shape = np.shape(array)
    missing = size - shape[axis]
    if missing == 0:
        return array
    if _is_key(array):
        data = pad(jax.random.key_data(array), axis, size)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(array))
    widths = [(0, missing if i == axis else 0) for i in range(len(shape))]
    if _on_host(array):
        return _back(np.pad(np.asarray(array), widths), array)
    return jnp.pad(array, widths)


def cut(array: Any, axis: int, size: int) -> Any:
    """The array without what is beyond a size along an axis.

    Args:
        array: Of NumPy or JAX.
        axis: From 0.
        size: Not above the array's.
    """
    if np.shape(array)[axis] == size:
        return array
    if _is_key(array):
        data = cut(jax.random.key_data(array), axis, size)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(array))
    if _on_host(array):
        kept = (slice(None),) * axis + (slice(size),)
        return _back(np.asarray(array)[kept], array)
    return jax.lax.slice_in_dim(array, 0, size, axis=axis)


def _is_key(array: Any) -> bool:
    return isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key)


def _on_host(array: Any) -> bool:
    """Whether NumPy can work on it where it is: JAX compiles a program for each size instead."""
    if not isinstance(array, jax.Array):
        return True
    if isinstance(array, cast(Any, jax).core.Tracer) or array.weak_type:
        return False
    devices = array.devices()
    return len(devices) == 1 and next(iter(devices)).platform == "cpu"


def _back(made: Any, original: Any) -> Any:
    """On the device where the original is, if it is on one."""
    if not isinstance(original, jax.Array):
        return made
    # Not jnp.asarray, which compiles a copy for each size.
    return jax.device_put(made, original.sharding if original.committed else None)
