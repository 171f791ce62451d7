"""Random weights of a standard deviation that the caller chooses."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxkit.models._checks import Features, wide

__all__ = ["linear", "normal", "with_weights"]


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def normal(key: Any, shape: tuple[int, ...], std: float, dtype: Any) -> jax.Array:
    """Normal numbers around zero, drawn in 32 bits or more and rounded once.

    Args:
        key: For the random numbers.
        shape: The shape.
        std: The standard deviation.
        dtype: A floating-point dtype.
    """
    return (std * jax.random.normal(key, shape, wide(dtype))).astype(dtype)


def linear(
    in_features: Features,
    out_features: Features,
    *,
    std: float,
    use_bias: bool,
    dtype: Any,
    key: Any,
) -> eqx.nn.Linear:
    """A linear layer of Equinox with normal weights, and zeros as its bias.

    Args:
        in_features: As `equinox.nn.Linear` takes it.
        out_features: Likewise.
        std: The standard deviation of the weights.
        use_bias: Whether there is a bias.
        dtype: Of both.
        key: For the random numbers.
    """
    make = functools.partial(
        eqx.nn.Linear, in_features, out_features, use_bias, dtype=dtype, key=key
    )
    return with_weights(make, std, key)


def with_weights(make: Callable[[], Any], std: float, key: Any) -> Any:
    """A layer with other weights than Equinox draws, which are never drawn.

    Args:
        make: Makes a layer that has a `weight` and a `bias`, or None as its bias.
        std: The standard deviation of the weights; the bias is zero.
        key: For the random numbers.
    """
    layer = eqx.filter_eval_shape(make)
    weight = normal(key, layer.weight.shape, std, layer.weight.dtype)
    layer = eqx.tree_at(lambda each: each.weight, layer, weight)
    if layer.bias is None:
        return layer
    bias = jnp.zeros(layer.bias.shape, layer.bias.dtype)
    return eqx.tree_at(lambda each: each.bias, layer, bias)
