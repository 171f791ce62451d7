"""Clipping each entry of a tree of gradients."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit.transforms._gradient_leaves import Leaves, wide_dtype
from jaxkit.transforms._limit import check_limit, limit_array
from jaxkit.transforms._norms import Group, measure
from jaxkit.transforms._scaling import scale_down, scale_to, typed_like

__all__ = ["clip_by_value"]


def clip_by_value(tree: Any, limit: Any) -> Any:
    """Clips each entry of a tree of gradients to at most a limit in magnitude, keeping its sign.

    Entries within the limit come back bit for bit, with derivative 1 up to and including the limit
    and 0 beyond. NaN stays NaN, and infinities become the limit. Of a complex number the modulus
    is clipped and the angle kept.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> print(jaxkit.clip_by_value(jnp.array([-3.0, 0.5, jnp.inf]), 1.0))
        [-1.   0.5  1. ]

    Args:
        tree: Any pytree. Floating and complex leaves of any shape are clipped; integers, booleans,
            keys, float0 and None are left as they are.
        limit: The limit, a number of 0 or more, possibly traced; a traced negative one counts as 0.
            `math.inf` clips nothing, a traced NaN makes everything NaN. In the dtype of a leaf it
            is rounded to nearest.

    Returns:
        The clipped tree, each leaf with its own dtype, weak type and sharding.

    Raises:
        TypeError: A leaf is neither array nor number, or `limit` is no number.
        ValueError: `limit` is negative or NaN, or has a shape.
    """
    check_limit("limit", limit)
    leaves = Leaves(tree, "tree")
    return leaves.rebuild(_clip(leaves.arrays, limit_array(limit)))


@jax.jit
def _clip(arrays: Sequence[Any], limit: Any) -> list[jax.Array]:
    return [_clip_leaf(jnp.asarray(array), limit) for array in arrays]


def _clip_leaf(x: jax.Array, limit: Any) -> jax.Array:
    if jnp.iscomplexobj(x):
        each_entry = Group(axes=((),), keepdims=False, dtype=wide_dtype([x]))
        return scale_down(x, scale_to(measure([[x]], [each_entry])[0], limit))
    limit = lax.convert_element_type(jnp.asarray(limit), x.dtype)
    limit = typed_like(jnp.maximum(limit, 0), x)
    # A select, which keeps bits: min and max would flush subnormal entries to zero.
    clipped = jnp.where(jnp.abs(x) > limit, jnp.copysign(limit, x), x)
    return jnp.where(jnp.isnan(limit), limit, clipped)
