"""Clipping gradients against the size of the parameters that they move."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.transforms._gradient_leaves import Leaves, wide_dtype
from jaxkit.transforms._limit import check_limit, limit_array
from jaxkit.transforms._norms import Group, measure, norm_value
from jaxkit.transforms._scaling import scale_down, scale_to

__all__ = ["adaptive_clip"]


def adaptive_clip(
    grads: Any,
    params: Any,
    max_ratio: Any = 0.01,
    *,
    eps: Any = 1e-3,
    output_axis: Literal["first", "last"] = "last",
) -> tuple[Any, Any]:
    """Scales each unit's gradient so that its norm is at most a share of the unit's own norm.

    A unit is what makes one output: a column of a matrix (or a row, see `output_axis`), a filter of
    a convolution, all of a vector or scalar. Norms neither overflow nor underflow.

    optax.adaptive_grad_clip does the same with units along the last axis; it returns no norms, and
    NaN or zeros where a square leaves the range of the dtype.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> clipped, norms = jaxkit.adaptive_clip(jnp.array([3.0, 4.0]), jnp.array([6.0, 8.0]), 0.1)
        >>> print(clipped, norms)
        [0.6 0.8] [5.]

    Args:
        grads: Any pytree. Floating and complex leaves of any shape are clipped; integers, booleans,
            keys, float0 and None are left as they are.
        params: The parameters, arrays of the same shapes in a tree of the same structure; where
            `grads` has None there may be anything, so an Equinox module will do.
        max_ratio: The largest ratio of a gradient's norm to its unit's, a number of 0 or more,
            possibly traced. 0.01 suits batches of thousands, larger ratios suit smaller ones.
        eps: The least norm that a unit counts with, so that units that start at zero can move.
        output_axis: Which axis counts the units: `"last"` (Flax, Haiku; of three axes the last two,
            as in the paper's code) or `"first"` (Equinox, PyTorch).

    Returns:
        The clipped tree, each leaf with its own dtype, weak type and sharding, and a tree with the
        norm of each unit's gradient before clipping: arrays of the leaves' ranks, with length 1
        along the axes of a unit; None in the places of leaves that are not clipped.

    Raises:
        TypeError: A leaf is neither array nor number, or a limit is no number.
        ValueError: The trees differ in structure or shapes; a limit is negative or NaN, or has a
            shape; an unknown `output_axis`.

    References:
        Brock et al., High-performance large-scale image recognition without normalization, 2021
        (https://arxiv.org/abs/2102.06171), section 4.1.
    """
    check_limit("max_ratio", max_ratio)
    check_limit("eps", eps)
    if output_axis not in ("first", "last"):
        raise ValueError(f"output_axis must be 'first' or 'last', got output_axis={output_axis!r}")
    leaves = Leaves(grads, "grads")
    weights = _matching(leaves, grads, params)
    clipped, norms = _clip(
        leaves.arrays, weights, limit_array(max_ratio), limit_array(eps), output_axis=output_axis
    )
    return leaves.rebuild(clipped), leaves.values(norms)


def _matching(leaves: Leaves, grads: Any, params: Any) -> tuple[Any, ...]:
    """The parameters of the leaves that are clipped."""
    structure = jax.tree.structure(grads, is_leaf=lambda node: node is None)
    try:
        found = structure.flatten_up_to(params)
    except (TypeError, ValueError) as error:
        raise ValueError(f"params must have the structure of grads: {error}") from None
    is_none = [node is None for node in jax.tree.leaves(grads, is_leaf=lambda node: node is None)]
    beside = [each for each, none in zip(found, is_none, strict=True) if not none]
    weights = tuple(beside[place] for place in leaves.places)
    for i, weight in enumerate(weights):
        shape, weight_shape = np.shape(leaves.arrays[i]), np.shape(weight)
        if shape != weight_shape:
            raise ValueError(
                f"params must have the shapes of grads, got {leaves.paths[i]} of shape {shape} "
                f"for parameters of shape {weight_shape}"
            )
    return weights


def _unit_axes(shape: tuple[int, ...], output_axis: str) -> tuple[int, ...]:
    """The axes along which the entries of one unit lie."""
    rank = len(shape)
    if sum(length != 1 for length in shape) <= 1:
        return tuple(range(rank))
    if output_axis == "first":
        return tuple(range(1, rank))
    return (0,) if rank <= 3 else tuple(range(rank - 1))


@functools.partial(jax.jit, static_argnames="output_axis")
def _clip(
    grads: Sequence[Any], params: Sequence[Any], ratio: Any, eps: Any, *, output_axis: str
) -> tuple[list[jax.Array], list[jax.Array]]:
    grads, params = ([jnp.asarray(x) for x in each] for each in (grads, params))
    groups = [
        Group((_unit_axes(pair[0].shape, output_axis),), keepdims=True, dtype=wide_dtype(pair))
        for pair in zip(grads, params, strict=True)
    ]
    norms = measure([[x] for x in (*grads, *params)], groups * 2)
    ours, theirs = norms[: len(grads)], norms[len(grads) :]
    clipped: list[jax.Array] = []
    for x, norm, weight in zip(grads, ours, theirs, strict=True):
        least = jnp.asarray(eps, norm.mantissa.dtype)
        limit = jnp.asarray(ratio, least.dtype) * jnp.maximum(norm_value(weight), least)
        clipped.append(scale_down(x, scale_to(norm, limit)))
    return clipped, [norm_value(norm) for norm in ours]
