"""What a model takes: sizes, dtypes, keys and inputs, or an error that says what is wrong."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

__all__ = [
    "Features",
    "as_input",
    "as_tokens",
    "check_dtype",
    "check_features",
    "check_key",
    "check_size",
    "shape_of",
    "wide",
]

# A vector of so many numbers, or a single number.
Features = int | Literal["scalar"]

_DTYPES = ("float16", "bfloat16", "float32", "float64")


def check_size(name: str, value: Any, *, least: int = 1) -> int:
    """A size as an int.

    Raises:
        ValueError: It is none, or below `least`.
    """
    whole = hasattr(type(value), "__index__") and not isinstance(value, bool)
    if not whole or operator.index(value) < least:
        rule = "a positive integer" if least == 1 else f"an integer of {least} or more"
        raise ValueError(f"{name} must be {rule}, got {name}={value!r}")
    return operator.index(value)


def check_features(name: str, value: Any) -> Features:
    """How many features: a size, or `"scalar"`.

    Raises:
        ValueError: Neither.
    """
    if isinstance(value, str):
        if value == "scalar":
            return "scalar"
        raise ValueError(f"{name} must be a positive integer or 'scalar', got {name}={value!r}")
    return check_size(name, value)


def shape_of(features: Features) -> tuple[int, ...]:
    """The shape of so many features."""
    return () if features == "scalar" else (features,)


def check_dtype(dtype: Any) -> Any:
    """The dtype of a model's parameters; JAX's default for floating point if None.

    Raises:
        ValueError: Not a floating-point dtype that JAX draws random numbers of, or one of 64 bits
            while JAX has 32.
    """
    default = jnp.result_type(float)
    if dtype is None:
        return default
    try:
        known = jnp.dtype(dtype)
    except TypeError:
        known = None
    if known is None or known.name not in _DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(_DTYPES)}, got dtype={dtype!r}")
    if known == jnp.float64 and default != jnp.float64:
        raise ValueError(
            "dtype=float64 needs JAX in 64 bits, and it is in 32: call "
            "jax.config.update('jax_enable_x64', True) first, or take dtype=float32"
        )
    return known


def wide(dtype: Any) -> Any:
    """The dtype to sum in: float32 for narrower ones; also where JAX promotes nothing."""
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def check_key(key: Any) -> Any:
    """One key for random numbers.

    Raises:
        TypeError: Something else, such as a seed.
    """
    if eqx.is_array(key):
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        if key.shape == () if typed else (key.dtype == jnp.uint32 and key.ndim == 1):
            return key
        got = f"an array of dtype {key.dtype} and shape {key.shape}"
    else:
        got = f"key={key!r} of type {type(key).__name__}"
    raise TypeError(f"key must be one PRNG key, such as jax.random.key(0), got {got}")


def as_input(
    x: Any, shape: Sequence[int | str], dtype: Any, *, name: str = "x", batched: str = "model"
) -> jax.Array:
    """An input in the dtype that the model computes in.

    Args:
        x: What the caller gave.
        shape: What its shape must be; a word stands for any size of 1 or more.
        dtype: The dtype of the result.
        name: What the argument is called.
        batched: What an error says to give to `jax.vmap` for a batch.

    Raises:
        TypeError: No array of real numbers.
        ValueError: Another shape.
    """
    check_array(x, name)
    got = jnp.result_type(x)
    if not any(jnp.issubdtype(got, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
        raise TypeError(f"{name} must hold real numbers, got dtype {got}")
    check_shape(x, shape, name, batched)
    return jnp.asarray(x, dtype)


def as_tokens(tokens: Any, vocabulary: int, *, most: int | None, name: str) -> jax.Array:
    """Tokens as integers of 32 bits or more.

    Args:
        tokens: What the caller gave.
        vocabulary: How many tokens there are.
        most: The longest sequence; None for a single token.
        name: What the argument is called.

    Raises:
        TypeError: No integers.
        ValueError: Another rank, too many, or none of the vocabulary's; that last one only where
            the values are known.
    """
    check_array(tokens, name)
    dtype = jnp.result_type(tokens)
    if not jnp.issubdtype(dtype, jnp.integer):
        raise TypeError(f"{name} must hold integers, got dtype {dtype}")
    check_shape(tokens, () if most is None else ("time",), name)
    if most is not None and jnp.shape(tokens)[0] > most:
        raise ValueError(
            f"{name} must be no longer than the model's context={most}, got "
            f"{jnp.shape(tokens)[0]}: cut them, or make the model with a larger context"
        )
    if not isinstance(tokens, Tracer):
        _check_known(np.asarray(tokens), vocabulary, name)
    return jnp.asarray(tokens, jnp.int32 if dtype.itemsize < 4 else None)


def _check_known(tokens: np.ndarray, vocabulary: int, name: str) -> None:
    unknown = np.ravel((tokens < 0) | (tokens >= vocabulary))
    if unknown.any():
        at = int(np.argmax(unknown))
        place = f"{name}[{at}]" if tokens.ndim else name
        raise ValueError(
            f"{name} must be from 0 to {vocabulary - 1}, the model's vocabulary={vocabulary}, "
            f"got {place}={int(np.ravel(tokens)[at])}"
        )


def check_array(x: Any, name: str) -> None:
    """Whether JAX takes it for an array.

    Raises:
        TypeError: It does not.
    """
    if not eqx.is_array_like(x):
        raise TypeError(
            f"{name} must be an array, got {type(x).__name__}: jax.numpy.asarray makes one of it"
        )


def check_shape(x: Any, shape: Sequence[int | str], name: str, batched: str = "model") -> None:
    """Whether an array has a shape.

    Args:
        x: The array.
        shape: As for `as_input`.
        name: What the argument is called.
        batched: As for `as_input`.

    Raises:
        ValueError: It has another.
    """
    got = jnp.shape(x)
    fits = len(got) == len(shape) and all(
        size == want if isinstance(want, int) else size >= 1
        for size, want in zip(got, shape, strict=True)
    )
    if fits:
        return
    wanted = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    way_out = f": for a batch, jax.vmap({batched})" if len(got) == len(shape) + 1 else ""
    raise ValueError(f"{name} must have shape {wanted}, got {got}{way_out}")
