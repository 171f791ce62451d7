"""A multi-layer perceptron."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray, Real

from jaxkit.models._checks import (
    Features,
    as_input,
    check_dtype,
    check_features,
    check_key,
    check_size,
    shape_of,
)
from jaxkit.models._weights import linear

__all__ = ["MLP"]


class MLP(eqx.Module):
    """Linear layers with an activation between them.

    Unlike `equinox.nn.MLP` it begins with signals that neither fade nor grow from layer to layer,
    and it holds nothing but arrays, so that plain `jax.jit` takes it.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = MLP(4, "scalar", width=16, depth=2, key=jax.random.key(0))
        >>> [layer.weight.shape for layer in model.layers]
        [(16, 4), (16, 16), (1, 16)]
        >>> model(jnp.ones(4)).shape
        ()

    Args:
        in_features: The size of an example, or `"scalar"`.
        out_features: The size of a prediction, or `"scalar"`.
        width: The size of each hidden layer.
        depth: How many hidden layers; 0 is one linear layer.
        key: For the weights: normal, of variance gain**2/fan_in where an activation follows and
            1/fan_in in the last layer. Biases begin at zero.
        activation: A function of one array, the same for all hidden layers, without parameters of
            its own. It is static: a new lambda is another model to `jax.jit`.
        gain: What makes up for the activation: sqrt(2) for ReLU and what is like it, 1 for tanh.
        use_bias: Whether the layers have biases.
        dtype: Of the parameters; JAX's default if None. Examples are cast to it.

    Raises:
        ValueError: A size, gain or dtype that makes no sense; an activation with parameters.
        TypeError: `key` is no key, or `activation` is no function.

    References:
        He, Zhang, Ren, Sun: Delving deep into rectifiers, 2015, arXiv:1502.01852, eq. 10 (weights
        and biases); LeCun, Bottou, Orr, Mueller: Efficient BackProp, 1998, section 4.6 (1/fan_in).
    """

    layers: tuple[eqx.nn.Linear, ...]
    activation: Callable[[Any], Any] = eqx.field(static=True)

    def __init__(
        self,
        in_features: Features,
        out_features: Features,
        width: int,
        depth: int,
        *,
        key: PRNGKeyArray,
        activation: Callable[[Any], Any] = jax.nn.relu,
        gain: float = math.sqrt(2),
        use_bias: bool = True,
        dtype: Any = None,
    ) -> None:
        first = check_features("in_features", in_features)
        last = check_features("out_features", out_features)
        width = check_size("width", width)
        depth = check_size("depth", depth, least=0)
        _check_activation(activation, gain)
        dtype = check_dtype(dtype)
        sizes = [first, *[width] * depth, last]
        keys = jax.random.split(check_key(key), depth + 1)
        layers = []
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            fan = math.prod(shape_of(fan_in))
            std = (gain if i < depth else 1.0) / math.sqrt(fan)
            layer = linear(fan_in, fan_out, std=std, use_bias=use_bias, dtype=dtype, key=keys[i])
            layers.append(layer)
        self.layers = tuple(layers)
        self.activation = activation

    def __call__(self, x: Real[Array, "*in"]) -> Float[Array, "*out"]:
        """The output for one example.

        Args:
            x: f[in], or f[] where in_features is `"scalar"`.

        Returns:
            f[out], or f[] where out_features is `"scalar"`.

        Raises:
            ValueError: Another shape; the message says how to call it on a batch.
            TypeError: No array of real numbers.
        """
        *hidden, last = self.layers
        x = as_input(x, shape_of(self.layers[0].in_features), last.weight.dtype)
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)


def _check_activation(activation: Any, gain: Any) -> None:
    if not callable(activation):
        raise TypeError(
            "activation must be a function of one array, such as jax.nn.gelu, got "
            f"activation={activation!r} of type {type(activation).__name__}"
        )
    if any(map(eqx.is_array, jax.tree.leaves(activation))):
        raise ValueError(
            "activation must have no parameters of its own, which would not be trained, got "
            f"activation={activation!r}: equinox.nn.MLP takes such"
        )
    if not 0 < gain < math.inf:
        raise ValueError(f"gain must be positive and finite, got gain={gain!r}")
