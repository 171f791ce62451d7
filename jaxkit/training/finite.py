"""Whether all gradients of a step are finite, at the price of reading them once."""

from __future__ import annotations

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["all_finite"]


def all_finite(tree: Any) -> Any:
    """Whether no array has a NaN or an infinity, as a boolean of JAX.

    The sum of all squares is finite only if they are, and is computed as fast as memory is read. If
    it is not, it may have overflowed: only then each number is looked at.

    Args:
        tree: Arrays of floating-point or complex numbers.
    """
    leaves = jax.tree.leaves(tree)
    if not leaves:
        return jnp.bool_(True)
    squares = functools.reduce(operator.add, map(_square, leaves))
    return jax.lax.cond(jnp.isfinite(squares), lambda _: jnp.bool_(True), _each, leaves)


def _square(leaf: Any) -> Any:
    flat = jnp.ravel(leaf)
    if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
        return _square(flat.real) + _square(flat.imag)
    wide = jnp.promote_types(leaf.dtype, jnp.float32)
    return jnp.vdot(flat, flat, preferred_element_type=wide).astype(jnp.float32)


def _each(leaves: list[Any]) -> Any:
    return functools.reduce(jnp.logical_and, [jnp.all(jnp.isfinite(leaf)) for leaf in leaves])
