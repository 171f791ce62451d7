"""Clipping a tree of gradients by the norm of all of it."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxkit._jax.manual_axes import differing_axes
from jaxkit.transforms._gradient_leaves import Leaves, wide_dtype
from jaxkit.transforms._limit import check_limit, limit_array
from jaxkit.transforms._norms import Group, Norm, across_devices, measure, merge, norm_value
from jaxkit.transforms._scaling import scale_down, scale_to

__all__ = ["AxisName", "as_names", "clip_by_global_norm"]

AxisName = Hashable | tuple[Hashable, ...] | None


def clip_by_global_norm(
    tree: Any, max_norm: Any, axis_name: AxisName = None
) -> tuple[Any, jax.Array]:
    """Scales a tree of gradients so that the norm of all its entries together is at most a limit.

    The norm neither overflows nor underflows, and is summed in float32 or wider. A tree within the
    limit comes back bit for bit, a tree of zeros as zeros with the identity as derivative. NaN
    entries make everything NaN; infinite ones become NaN and the finite ones 0.

    optax.clip_by_global_norm returns zeros for float32 entries beyond 1e19, NaN for zeros with a
    limit of 0, and does not return the norm.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> clipped, norm = jaxkit.clip_by_global_norm({"w": jnp.array([3e20, 4e20])}, 1.0)
        >>> print(clipped["w"].round(3), norm)
        [0.6 0.8] 5e+20

    Args:
        tree: Any pytree. Floating and complex leaves of any shape are clipped; integers, booleans,
            keys, float0 and None are left as they are.
        max_norm: The limit, a number of 0 or more, possibly traced; a traced negative one counts as
            0. `math.inf` clips nothing, a traced NaN makes everything NaN.
        axis_name: Under `shard_map`, `pmap` or a `vmap` with an axis name: the mesh axes (one name,
            or a tuple) along which the leaves are parts of a larger tree, whose norm is meant. A
            leaf of which shard_map knows that it is the same on all devices counts once; with
            `check_vma=False` it does not know of any.

    Returns:
        The clipped tree, each leaf with its own dtype, weak type and sharding, and the norm before
        clipping: a scalar of float32, or of float64 if a leaf has that precision. It is infinite
        or NaN only where an entry is: a norm beyond the range of its dtype is the largest number.

    Raises:
        TypeError: A leaf is neither array nor number, or `max_norm` is no number.
        ValueError: `max_norm` is negative or NaN, or has a shape.

    References:
        Pascanu et al., On the difficulty of training recurrent neural networks, 2013
        (https://arxiv.org/abs/1211.5063); optax#1752 for the limit of 0; Blue, A portable Fortran
        program to find the Euclidean norm of a vector, 1978, for keeping sums of squares in range.
    """
    check_limit("max_norm", max_norm)
    leaves = Leaves(tree, "tree")
    if not leaves.arrays:
        return tree, jnp.zeros((), jnp.float32)
    clipped, norm = _clip(leaves.arrays, limit_array(max_norm), axis_names=as_names(axis_name))
    return leaves.rebuild(clipped), norm


def as_names(axis_name: AxisName) -> tuple[Hashable, ...]:
    """The axes as a tuple."""
    if axis_name is None:
        return ()
    return axis_name if isinstance(axis_name, tuple) else (axis_name,)


@functools.partial(jax.jit, static_argnames="axis_names")
def _clip(
    arrays: Sequence[Any], limit: Any, *, axis_names: tuple[Hashable, ...]
) -> tuple[list[jax.Array], jax.Array]:
    arrays = [jnp.asarray(array) for array in arrays]
    norm = _global_norm(arrays, axis_names)
    scale = scale_to(norm, limit)
    return [scale_down(array, scale) for array in arrays], norm_value(norm)


def _global_norm(arrays: Sequence[jax.Array], axis_names: tuple[Hashable, ...]) -> Norm:
    dtype = wide_dtype(arrays)
    by_axes: dict[tuple[Hashable, ...], list[jax.Array]] = {}
    for array in arrays:
        by_axes.setdefault(differing_axes(array, axis_names), []).append(array)
    return merge(
        [
            across_devices(measure([part], [Group.whole(part, dtype)])[0], axes)
            for axes, part in by_axes.items()
        ]
    )
