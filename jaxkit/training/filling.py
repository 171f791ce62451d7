"""A batch with too few rows made whole, and the weights that leave the rest out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["filled", "weights"]


def filled(values: Any, size: int) -> Any:
    """A batch with its last row repeated until there are enough.

    Not zeros, as `jaxkit.bucket` has them: a row that is real gives no NaN where no row would,
    such as when it is divided by its norm, and a NaN times a weight of 0 stays one in a gradient.

    Args:
        values: Arrays with one row for each example.
        size: The number of rows that is wanted.
    """
    return jax.tree.map(lambda array: _filled(array, size), values)


def weights(rows: int, size: int) -> np.ndarray[Any, Any]:
    """What each row counts in a mean over all of them, in as many bits as JAX will take.

    Args:
        rows: How many are real.
        size: How many there are.
    """
    made = np.zeros(size, np.float64)
    made[:rows] = size / rows
    return made


def _filled(array: Any, size: int) -> Any:
    missing = size - array.shape[0]
    if not isinstance(array, jax.Array):
        array = np.asarray(array)
        return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        data = _filled(jax.random.key_data(array), size)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(array))
    devices = array.devices()
    if len(devices) == 1 and next(iter(devices)).platform == "cpu":
        # Through NumPy: JAX would compile a program for each size.
        made = _filled(np.asarray(array), size)
        return jax.device_put(made, array.sharding if array.committed else None)
    return jnp.concatenate([array, jnp.repeat(array[-1:], missing, axis=0)])
