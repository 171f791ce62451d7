"""Scaling leaves down to a limit, exactly and in range."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit.transforms._norms import Norm

__all__ = ["Scale", "scale_down", "scale_to", "typed_like"]


class Scale(NamedTuple):
    """What a leaf is multiplied by, where it is not kept as it is.

    Args:
        keep: Where the leaf is within its limit.
        first: 1, or a power of two below it where the factor alone would underflow.
        second: The rest of the factor, at most 1.
    """

    keep: jax.Array
    first: jax.Array
    second: jax.Array


def scale_to(norm: Norm, limit: Any) -> Scale:
    """The factor that brings a norm down to a limit.

    Args:
        norm: One norm or an array of them.
        limit: One limit, or one for each norm. Negative limits count as 0.

    Returns:
        The scale, of the norm's shape. Where the norm is within the limit, and where the limit is
        infinite, the leaves are kept. Its derivatives are finite everywhere: what is not taken is
        replaced before it is computed.
    """
    dtype = norm.mantissa.dtype
    smallest = float(jnp.finfo(dtype).tiny)
    limit = jnp.maximum(lax.convert_element_type(jnp.asarray(limit), dtype), 0)
    unit = lax.stop_gradient(norm.unit)
    inverse = 1 / unit
    within = (norm.mantissa <= limit * inverse) & (limit > 0)
    keep = within | (limit == jnp.inf)
    divisor = jnp.where(keep | (norm.mantissa == 0), 1, norm.mantissa)
    # The factor, limit / norm, in units of the smallest normal number: does it underflow itself?
    grown = 1 / (jnp.maximum(unit, 1) * smallest)
    small = ~keep & (unit >= 1) & (limit * grown / divisor < 2)
    # In an order in which nothing on the way leaves the range before the result does.
    up = jnp.where(small, grown, jnp.maximum(inverse, 1))
    down = jnp.where(small, 1, jnp.minimum(inverse, 1))
    second = jnp.where(keep, 1, limit * up / divisor * down)
    first = jnp.where(small, jnp.asarray(smallest, dtype), jnp.asarray(1, dtype))
    return Scale(keep, first, second)


def scale_down(x: Any, scale: Scale) -> jax.Array:
    """Scales a leaf, in its own dtype and weak type; each part of `scale` broadcasts to it.

    A leaf of less precision is multiplied in that of the norm, and rounded once.
    """
    x = jnp.asarray(x)
    parts = [jnp.real(x), jnp.imag(x)] if jnp.iscomplexobj(x) else [x]
    wide = [lax.convert_element_type(part, scale.first.dtype) for part in parts]
    scaled = [(part * scale.first) * scale.second for part in wide]
    whole = lax.complex(*scaled) if len(scaled) == 2 else scaled[0]
    whole = typed_like(lax.convert_element_type(whole, x.dtype), x)
    keep = scale.keep
    return lax.select(jnp.broadcast_to(keep, x.shape) if keep.ndim else keep, x, whole)


def typed_like(value: jax.Array, like: jax.Array) -> jax.Array:
    """The value, weakly typed if the other array is."""
    if not jax.typeof(like).weak_type:
        return value

    def fill(scalar: jax.Array) -> jax.Array:
        return lax.full_like(like, scalar, shape=())

    for _ in range(value.ndim):
        fill = jax.vmap(fill)
    return fill(value)
