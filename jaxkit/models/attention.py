"""Causal attention with rotary positions, over a whole sequence or with a cache."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxkit.models._checks import check_dtype, check_key, check_size, wide
from jaxkit.models._weights import linear
from jaxkit.models.rotary import rotate

__all__ = ["Attention"]

_Heads = Float[Array, "time heads size"]


class Attention(eqx.Module):
    """Each step of a sequence looks at itself and at the steps before it.

    Scores and their softmax are computed in float32 or wider. `jax.nn.dot_product_attention` takes
    the softmax in float32 always, and `equinox.nn.MultiheadAttention` knows no cache whose
    positions are traced.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = Attention(8, heads=2, key=jax.random.key(0))
        >>> model(jnp.ones((5, 8))).shape
        (5, 8)

    Args:
        width: The size of a step.
        heads: How many parts it is taken apart into; each is of an even size, which is turned by
            `jaxkit.models.rotate`.
        key: For the weights, normal.
        std: Their standard deviation; 0.02 if None.
        output_std: That of the last matrix; `std` if None.
        theta: As for `rotate`.
        dtype: Of the parameters; JAX's default if None.

    Raises:
        ValueError: A size or dtype that makes no sense; `width` is not divisible by `heads`, or the
            size of a head is odd.
        TypeError: `key` is no key.

    References:
        Vaswani et al.: Attention is all you need, 2017, arXiv:1706.03762, section 3.2.
    """

    query: eqx.nn.Linear
    key: eqx.nn.Linear
    value: eqx.nn.Linear
    output: eqx.nn.Linear
    heads: int = eqx.field(static=True)
    theta: float = eqx.field(static=True)

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        key: PRNGKeyArray,
        std: float = 0.02,
        output_std: float | None = None,
        theta: float = 10_000.0,
        dtype: Any = None,
    ) -> None:
        width, self.heads = check_heads(width, heads)
        self.theta = theta
        stds = (std, std, std, std if output_std is None else output_std)
        dtype = check_dtype(dtype)
        self.query, self.key, self.value, self.output = (
            linear(width, width, std=each, use_bias=False, dtype=dtype, key=k)
            for each, k in zip(stds, jax.random.split(check_key(key), 4), strict=True)
        )

    def __call__(self, x: Float[Array, "time width"]) -> Float[Array, "time width"]:
        """The whole of a sequence.

        Args:
            x: f[time, width].

        Returns:
            f[time, width]; row t depends on rows 0 to t.
        """
        positions = jnp.arange(x.shape[0])
        query, key, value = self._project(x, positions)
        return self._mix(query, key, value, positions[:, None] >= positions[None])

    def extend(
        self,
        x: Float[Array, "time width"],
        keys: Float[Array, "context heads size"],
        values: Float[Array, "context heads size"],
        position: Int[Array, ""],
    ) -> tuple[Float[Array, "time width"], _Heads, _Heads]:
        """The next steps of a sequence whose keys and values so far are kept.

        Args:
            x: f[time, width], the next steps.
            keys: f[context, heads, size]; what is beyond `position` is not looked at.
            values: f[context, heads, size].
            position: i[], how many steps there were. `position + time` must not exceed the context.

        Returns:
            f[time, width], and the keys and values with those of the steps added.
        """
        positions = position + jnp.arange(x.shape[0], dtype=position.dtype)
        query, key, value = self._project(x, positions)
        keys = jax.lax.dynamic_update_slice_in_dim(keys, key, position, axis=0)
        values = jax.lax.dynamic_update_slice_in_dim(values, value, position, axis=0)
        seen = positions[:, None] >= jnp.arange(keys.shape[0], dtype=position.dtype)[None]
        return self._mix(query, keys, values, seen), keys, values

    def _project(
        self, x: Float[Array, "time width"], positions: Int[Array, " time"]
    ) -> tuple[_Heads, _Heads, _Heads]:
        def heads(layer: eqx.nn.Linear) -> jax.Array:
            return jax.vmap(layer)(x).reshape(x.shape[0], self.heads, -1)

        query = rotate(heads(self.query), positions, theta=self.theta)
        key = rotate(heads(self.key), positions, theta=self.theta)
        return query, key, heads(self.value)

    def _mix(
        self, query: _Heads, key: _Heads, value: _Heads, seen: Bool[Array, "query key"]
    ) -> Float[Array, "query width"]:
        dtype = wide(query.dtype)
        scores = jnp.einsum("qhd,khd->hqk", query, key, preferred_element_type=dtype)
        scores = scores / math.sqrt(query.shape[-1])
        scores = jnp.where(seen[None], scores, jnp.finfo(dtype).min)
        shares = jax.nn.softmax(scores).astype(value.dtype)
        mixed = jnp.einsum("hqk,khd->qhd", shares, value)
        return jax.vmap(self.output)(mixed.reshape(query.shape[0], -1))


def check_heads(width: Any, heads: Any) -> tuple[int, int]:
    """Width and heads as integers that go together.

    Raises:
        ValueError: They do not.
    """
    width, heads = check_size("width", width), check_size("heads", heads)
    pairs = 2 * heads
    if width % pairs:
        raise ValueError(
            "width must be divisible by 2 * heads, so that each head has an even size, got "
            f"width={width} and heads={heads}: take width={pairs * -(-width // pairs)}"
        )
    return width, heads
