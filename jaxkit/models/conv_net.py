"""A small convolutional network for images."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Real

from jaxkit.models._checks import as_input, check_dtype, check_key, check_size, wide
from jaxkit.models._weights import linear, with_weights

__all__ = ["ConvNet"]


class ConvNet(eqx.Module):
    """Convolutions, each with a ReLU and a pooling to half the size, and a linear layer.

    The defaults are for the digits of scikit-learn: images of 8 x 8 points in one channel, ten
    classes, 6,090 parameters.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = ConvNet(key=jax.random.key(0))
        >>> model(jnp.zeros((8, 8, 1))).shape
        (10,)

    Args:
        image: Height, width and channels of an image.
        classes: How many logits.
        channels: The channels after each convolution of 3 x 3; as often the image is halved.
        key: For the weights: normal, of variance 2/fan_in in convolutions and 1/fan_in in the last
            layer. Biases begin at zero.
        dtype: Of the parameters; JAX's default if None. Images are cast to it.

    Raises:
        ValueError: A size or dtype that makes no sense, or an image too small to be halved so
            often.
        TypeError: `key` is no key.

    References:
        LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition,
        1998, section II.B (the layers); He, Zhang, Ren, Sun: Delving deep into rectifiers, 2015,
        arXiv:1502.01852, eq. 10 (the weights).
    """

    convolutions: tuple[eqx.nn.Conv2d, ...]
    readout: eqx.nn.Linear
    image: tuple[int, int, int] = eqx.field(static=True)

    def __init__(
        self,
        image: Sequence[int] = (8, 8, 1),
        classes: int = 10,
        channels: Sequence[int] = (16, 32),
        *,
        key: PRNGKeyArray,
        dtype: Any = None,
    ) -> None:
        height, width, depth = self.image = _check_image(image)
        sizes = [depth, *(check_size("each of channels", each) for each in channels)]
        halved = 2 ** (len(sizes) - 1)
        if min(height, width) < halved:
            raise ValueError(
                f"image must be at least {halved} x {halved} to be halved {len(sizes) - 1} times, "
                f"got image={self.image}: give fewer channels"
            )
        dtype = check_dtype(dtype)
        keys = jax.random.split(check_key(key), len(sizes))
        self.convolutions = tuple(
            _convolution(a, b, dtype, each)
            for a, b, each in zip(sizes, sizes[1:], keys, strict=False)
        )
        flat = (height // halved) * (width // halved) * sizes[-1]
        classes = check_size("classes", classes)
        std = 1 / math.sqrt(flat)
        self.readout = linear(flat, classes, std=std, use_bias=True, dtype=dtype, key=keys[-1])

    def __call__(self, x: Real[Array, "height width channels"]) -> Float[Array, " classes"]:
        """The logits of one image.

        Args:
            x: f[height, width, channels].

        Returns:
            f[classes], in float32 or wider: a softmax of bfloat16 is too coarse for a loss.

        Raises:
            ValueError: Another shape; the message says how to call it on a batch.
            TypeError: No array of real numbers.
        """
        x = as_input(x, self.image, self.readout.weight.dtype)
        x = jnp.moveaxis(x, -1, 0)  # Equinox has channels first
        halve = eqx.nn.MaxPool2d(2, 2)  # no field: it holds what is no array
        for convolution in self.convolutions:
            x = halve(jax.nn.relu(convolution(x)))
        logits = self.readout(jnp.ravel(x))
        return logits.astype(wide(logits.dtype))


def _check_image(image: Any) -> tuple[int, int, int]:
    sizes = tuple(image) if isinstance(image, (tuple, list)) else ()
    if len(sizes) != 3:
        raise ValueError(
            f"image must be (height, width, channels), such as (8, 8, 1), got image={image!r}"
        )
    height, width, channels = (check_size("each size of image", each) for each in sizes)
    return height, width, channels


def _convolution(in_channels: int, out_channels: int, dtype: Any, key: Any) -> eqx.nn.Conv2d:
    make = functools.partial(
        eqx.nn.Conv2d, in_channels, out_channels, 3, padding=1, dtype=dtype, key=key
    )
    return with_weights(make, math.sqrt(2 / (9 * in_channels)), key)
