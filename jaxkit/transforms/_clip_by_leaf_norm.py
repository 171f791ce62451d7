"""Clipping each leaf of a tree of gradients by its own norm."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxkit.transforms._gradient_leaves import Leaves, wide_dtype
from jaxkit.transforms._limit import check_limit, limit_array
from jaxkit.transforms._norms import Group, measure, norm_value
from jaxkit.transforms._scaling import scale_down, scale_to

__all__ = ["clip_by_leaf_norm"]


def clip_by_leaf_norm(tree: Any, max_norm: Any) -> tuple[Any, Any]:
    """Scales each leaf of a tree of gradients so that its own norm is at most a limit.

    Each leaf is treated as `clip_by_global_norm` treats a tree of only that leaf.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> tree = {"b": jnp.array([0.1]), "w": jnp.array([3.0, 4.0])}
        >>> clipped, norms = jaxkit.clip_by_leaf_norm(tree, 1.0)
        >>> print(clipped["b"], clipped["w"], norms["w"])
        [0.1] [0.6 0.8] 5.0

    Args:
        tree: Any pytree. Floating and complex leaves of any shape are clipped; integers, booleans,
            keys, float0 and None are left as they are.
        max_norm: The limit of every leaf, a number of 0 or more, possibly traced; see
            `clip_by_global_norm`.

    Returns:
        The clipped tree, each leaf with its own dtype, weak type and sharding, and a tree of the
        same structure with the norm of each leaf before clipping: a scalar of float32, or of
        float64 for leaves of that precision; None in the places of leaves that are not clipped.

    Raises:
        TypeError: A leaf is neither array nor number, or `max_norm` is no number.
        ValueError: `max_norm` is negative or NaN, or has a shape.

    References:
        optax.clip_by_block_rms and tf.clip_by_norm limit leaves one by one, too, the first of them
        by the root mean square.
    """
    check_limit("max_norm", max_norm)
    leaves = Leaves(tree, "tree")
    clipped, norms = _clip(leaves.arrays, limit_array(max_norm))
    return leaves.rebuild(clipped), leaves.values(norms)


@jax.jit
def _clip(arrays: Sequence[Any], limit: Any) -> tuple[list[jax.Array], list[jax.Array]]:
    arrays = [jnp.asarray(array) for array in arrays]
    groups = [Group.whole([array], wide_dtype([array])) for array in arrays]
    norms = measure([[array] for array in arrays], groups)
    scales = [scale_to(norm, limit) for norm in norms]
    clipped = [scale_down(*each) for each in zip(arrays, scales, strict=True)]
    return clipped, [norm_value(norm) for norm in norms]
