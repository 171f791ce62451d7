"""Rotary embeddings: positions as rotations."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxkit.models._checks import wide

__all__ = ["rotate"]


def rotate(
    x: Float[Array, "time heads size"],
    positions: Int[Array, " time"],
    *,
    theta: float = 10_000.0,
) -> Float[Array, "time heads size"]:
    """Turns each pair of channels by an angle that is proportional to the position.

    The product of a query and a key that are turned so depends on the distance of their positions,
    and not on the positions. Unlike `equinox.nn.RotaryPositionalEmbedding` it takes the positions,
    which may be traced, as decoding with a cache needs them.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.array([[[1.0, 0.0]]])
        >>> turned = rotate(x, jnp.array([3]))[0, 0]  # by 3 radians
        >>> [round(float(each), 4) for each in turned]
        [-0.99, 0.1411]

    Args:
        x: f[time, heads, size], queries or keys; the size is even. Channel i is paired with
            i + size/2.
        positions: i[time].
        theta: Pair i is turned by `theta ** (-2 * i / size)` radians a position.

    Returns:
        f[time, heads, size] in the dtype of `x`. Angles are computed in float32 or wider: at
        position p they are wrong by p * 1.2e-7 radians at most in float32.

    Raises:
        ValueError: The size is odd, or the shapes do not agree.

    References:
        Su et al.: RoFormer, 2021, arXiv:2104.09864, section 3.2.2; the pairs are those of GPT-NeoX,
        Black et al., 2022, arXiv:2204.06745.
    """
    if x.ndim != 3 or x.shape[-1] % 2:
        raise ValueError(f"x must have shape (time, heads, even size), got {x.shape}")
    if positions.shape != x.shape[:1]:
        raise ValueError(f"positions must have shape {x.shape[:1]} as x has, got {positions.shape}")
    dtype = wide(x.dtype)
    frequencies = theta ** -np.linspace(0, 1, x.shape[-1] // 2, endpoint=False)
    angles = positions.astype(dtype)[:, None] * jnp.asarray(frequencies, dtype)[None]
    cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    a, b = jnp.split(x.astype(dtype), 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1).astype(x.dtype)
