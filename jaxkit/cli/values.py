"""Values for the arguments of a function that is to be run: given, read from a file, or drawn."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxkit.errors import UsageError

__all__ = ["DRAWS", "Valued", "Values", "array_of", "drawn", "from_file", "is_file", "key_of"]

_FILES = (".npy", ".npz")


@dataclass(frozen=True)
class Valued:
    """An array of which more is known than shape and dtype.

    Args:
        struct: Its shape and dtype.
        make: Gives its values, by a generator of random numbers.
    """

    struct: Any
    make: Callable[[np.random.Generator], Any]


class Values:
    """Gives arrays their values: their own, else random ones.

    Floats are drawn from a standard normal distribution; integers and booleans are 0 or 1, so that
    they are indices into whatever it is; keys are made from the same generator.

    Args:
        seed: Of the generator.
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.drawn = False

    def of(self, leaf: Any) -> Any:
        """The values of one argument.

        Args:
            leaf: A `Valued`, a `jax.ShapeDtypeStruct`, or an array, which stays.
        """
        import jax
        import jax.numpy as jnp

        random = self._random
        if isinstance(leaf, Valued):
            return leaf.make(random)
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        self.drawn = True
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.split(jax.random.key(int(random.integers(2**31))), leaf.shape)
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return _as(leaf, _normal(leaf, random))
        return jnp.asarray(random.integers(0, 2, leaf.shape), leaf.dtype)


def _normal(leaf: Any, random: np.random.Generator) -> Any:
    found = random.standard_normal(leaf.shape)
    if np.dtype(leaf.dtype).kind == "c":
        found = found + 1j * random.standard_normal(leaf.shape)
    return found


def _as(leaf: Any, values: Any) -> Any:
    import jax.numpy as jnp

    made = jnp.asarray(values, leaf.dtype)
    # A weak type is a Python number's; an array of one has no other form.
    return made.item() if getattr(leaf, "weak_type", False) and not leaf.shape else made


def array_of(dtype: Any, values: Any) -> Valued:
    """An array with values that were written down.

    Args:
        dtype: Its dtype.
        values: Nested lists of numbers, or one.

    Raises:
        UsageError: They are no array of that dtype.
    """
    import jax

    try:
        made = np.asarray(values, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{values!r} is no array of {dtype.name}: {error}") from error
    struct = jax.ShapeDtypeStruct(made.shape, made.dtype)
    return Valued(struct, lambda _: jax.numpy.asarray(made))


def key_of(seed: int) -> Valued:
    """A random key of a seed."""
    import jax

    struct = jax.eval_shape(lambda: jax.random.key(0))
    return Valued(struct, lambda _: jax.random.key(int(seed)))


def drawn(name: str, struct: Any, low: float, high: float) -> Valued:
    """An array of random numbers that are not the usual ones.

    Args:
        name: One of `DRAWS`.
        struct: Its shape and dtype.
        low: The lower bound; of `normal` the mean.
        high: The upper bound, which is left out; of `normal` the standard deviation.
    """
    return Valued(struct, lambda random: _as(struct, DRAWS[name](random, struct, low, high)))


def _uniform(random: np.random.Generator, struct: Any, low: float, high: float) -> Any:
    if np.issubdtype(struct.dtype, np.integer):
        return random.integers(int(low), int(high), struct.shape)
    return random.uniform(low, high, struct.shape)


def _gaussian(random: np.random.Generator, struct: Any, mean: float, deviation: float) -> Any:
    return mean + deviation * _normal(struct, random)


def _log_uniform(random: np.random.Generator, struct: Any, low: float, high: float) -> Any:
    return np.exp(random.uniform(np.log(low), np.log(high), struct.shape))


DRAWS: Mapping[str, Callable[..., Any]] = {
    "uniform": _uniform,
    "normal": _gaussian,
    "loguniform": _log_uniform,
}


def is_file(text: str) -> bool:
    """Whether an argument names a file: `x.npy`, `data.npz` or `data.npz:name`."""
    return text.strip().rpartition(":")[0].endswith(".npz") or text.strip().endswith(_FILES)


def from_file(text: str) -> Any:
    """What a file has: an array; of several arrays a dict by name.

    Args:
        text: The path, of a `.npz` with the name of one array behind a colon if only that is meant.

    Raises:
        UsageError: There is no such file, or no such array in it.
    """
    text = text.strip()
    path, name = (text, "") if text.endswith(_FILES) else text.rsplit(":", 1)
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {path!r}")
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise UsageError(f"{path!r} cannot be read as arrays: {error}") from error
    if isinstance(loaded, np.ndarray):
        return _given(loaded)
    with loaded:
        arrays = {each: loaded[each] for each in loaded.files}
    if name and name not in arrays:
        raise UsageError(f"{path!r} has no array {name!r}; there are {', '.join(arrays)}")
    if name or len(arrays) == 1:
        return _given(arrays[name] if name else next(iter(arrays.values())))
    return {each: _given(array) for each, array in arrays.items()}


def _given(array: np.ndarray) -> Valued:
    import jax
    import jax.numpy as jnp

    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    return Valued(jax.ShapeDtypeStruct(array.shape, dtype), lambda _: jnp.asarray(array, dtype))
