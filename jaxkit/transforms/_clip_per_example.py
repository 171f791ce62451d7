"""Clipping the gradient of each example of a batch by its own norm, as DP-SGD does."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxkit.transforms._gradient_leaves import Leaves, wide_dtype
from jaxkit.transforms._limit import check_limit, limit_array
from jaxkit.transforms._norms import Group, measure, norm_value
from jaxkit.transforms._scaling import Scale, scale_down, scale_to

__all__ = ["clip_per_example"]


def clip_per_example(tree: Any, max_norm: Any) -> tuple[Any, jax.Array]:
    """Scales the gradient of each example so that its norm over all leaves is at most a limit.

    Every leaf has the examples along its first axis, as `jax.vmap(jax.grad(loss), (None, 0))` makes
    them. Each example is treated as `clip_by_global_norm` treats a tree; none sees another, so a
    NaN stays in its row. Nothing is summed: for DP-SGD, add up the rows and the noise.

    optax.per_example_global_norm_clip returns the sum of the rows, in which a row of 1e20 in
    float32 counts as zero.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> rows = {"w": jnp.array([[3.0, 4.0], [0.1, 0.2], [3e20, 4e20]])}
        >>> clipped, norms = jaxkit.clip_per_example(rows, 1.0)
        >>> print(clipped["w"].round(3).tolist(), norms.shape)
        [[0.6..., 0.8...], [0.1..., 0.2...], [0.6..., 0.8...]] (3,)

    Args:
        tree: Any pytree. Floating and complex leaves, all of shape (B, ...), are clipped; integers,
            booleans, keys, float0 and None are left as they are.
        max_norm: The limit of every example, a number of 0 or more, possibly traced; see
            `clip_by_global_norm`.

    Returns:
        The clipped tree, each leaf with its own dtype, weak type and sharding, and the norm of each
        example before clipping: shape (B,), float32, or float64 if a leaf has that precision. A
        tree without such leaves has no examples: shape (0,).

    Raises:
        TypeError: A leaf is neither array nor number, or `max_norm` is no number.
        ValueError: Two leaves differ in B, or one has no axis; the message says which. `max_norm`
            is negative or NaN, or has a shape.

    References:
        Abadi et al., Deep learning with differential privacy, 2016
        (https://arxiv.org/abs/1607.00133), algorithm 1.
    """
    check_limit("max_norm", max_norm)
    leaves = Leaves(tree, "tree")
    if not leaves.arrays:
        return tree, jnp.zeros((0,), jnp.float32)
    _check_batch(leaves)
    clipped, norms = _clip(leaves.arrays, limit_array(max_norm))
    return leaves.rebuild(clipped), norms


def _check_batch(leaves: Leaves) -> None:
    shapes = [np.shape(array) for array in leaves.arrays]
    for i, shape in enumerate(shapes):
        if not shape:
            raise ValueError(
                f"each leaf must have the examples along its first axis, "
                f"got {leaves.paths[i]} of shape (): make it with "
                f"jax.vmap(jax.grad(loss), in_axes=(None, 0))"
            )
        if shape[0] != shapes[0][0]:
            raise ValueError(
                f"all leaves must have as many examples along their first axis, "
                f"got {leaves.paths[0]} of shape {shapes[0]} and {leaves.paths[i]} of shape {shape}"
            )


@jax.jit
def _clip(arrays: Sequence[Any], limit: Any) -> tuple[list[jax.Array], jax.Array]:
    arrays = [jnp.asarray(array) for array in arrays]
    axes = tuple(tuple(range(1, array.ndim)) for array in arrays)
    (norms,) = measure([arrays], [Group(axes, keepdims=False, dtype=wide_dtype(arrays))])
    scale = scale_to(norms, limit)
    return [scale_down(array, _rows(scale, array)) for array in arrays], norm_value(norms)


def _rows(scale: Scale, array: jax.Array) -> Scale:
    """A scale for each row of an array."""
    return Scale(*(lax.expand_dims(part, range(1, array.ndim)) for part in scale))
