"""What batches have to be: arrays that JAX takes, and each batch like the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.training.words import kind, short

__all__ = ["check_first", "check_like", "check_source", "named"]

_LIST = "if it is one batch, put it in a list"
_ALIKE = "all batches must be alike but for their number of rows"


def check_source(source: Any, name: str) -> None:
    """Whether something is gone through batch by batch.

    Args:
        source: What was given.
        name: What messages call it.

    Raises:
        TypeError: It cannot be gone through, or is one batch.
    """
    if isinstance(source, Mapping):
        raise TypeError(
            f"{name} must be an iterable of batches, got a {type(source).__name__} with the keys "
            f"{short(list(source))}: {_LIST}, {name}=[batch]"
        )
    if not callable(source) and not isinstance(source, Iterable):
        raise TypeError(
            f"{name} must be an iterable of batches, or a function from the epoch to one, got "
            f"{short(source)} of type {type(source).__name__}"
        )
    if isinstance(source, (tuple, list)) and 2 <= len(source) <= 4:
        _check_not_one(source, name)


def _check_not_one(source: Sequence[Any], name: str) -> None:
    """Refuses (x, y), as Keras takes it: arrays that belong together, gone through one by one."""
    if not all(isinstance(each, (np.ndarray, jax.Array)) and each.ndim for each in source):
        return
    kinds = [kind(each.shape, each.dtype) for each in source]
    if len({each.shape[0] for each in source}) == 1 and len(set(kinds)) > 1:
        raise TypeError(
            f"{name} must be an iterable of batches that are alike, got a {type(source).__name__} "
            f"of {', '.join(kinds)}: {_LIST}, {name}=[(x, y)]"
        )


def check_first(values: Any, leaves: list[Any], here: str, *, first: bool, name: str) -> None:
    """Whether a batch has arrays that JAX takes, with rows.

    Args:
        values: The batch.
        leaves: Its arrays.
        here: Which batch it is, in words.
        first: Whether it is the first, whose rows are looked at too.
        name: What messages call the batches.

    Raises:
        TypeError: An array of strings or objects, or of another library.
        ValueError: There are no arrays, or one without rows.
    """
    if not leaves:
        # One that is not like the first has a message of its own.
        if first:
            raise ValueError(f"{here} has no arrays, got {short(values)}")
        return
    given = jax.tree.leaves(values)
    for path, leaf, before in zip(named(values), leaves, given, strict=True):
        called = f"batch{path} of {here}" if path else here
        _check_dtype(leaf.dtype, before, called)
        if first and not leaf.shape:
            raise ValueError(
                f"{called} has no batch axis: every array of a batch has one row for each example "
                f"along its first axis{_way_out(before, path, name)}"
            )


def _check_dtype(dtype: Any, given: Any, called: str) -> None:
    if isinstance(given, jax.Array):
        return
    if not isinstance(dtype, np.dtype):
        raise TypeError(
            f"{called} is of type {type(given).__name__} with dtype {short(dtype)}, which is none "
            "of NumPy's: give numpy.asarray of it"
        )
    if jnp.issubdtype(dtype, np.number) or jnp.issubdtype(dtype, np.bool_):
        return
    if not dtype.hasobject:
        way_out = "leave it out of the batch, or encode it as numbers"
    elif isinstance(given, np.ndarray):
        way_out = "make numbers of it, as with .astype(numpy.float32)"
    else:
        raise TypeError(
            f"{called} is no array but of type {type(given).__name__}: give numpy.asarray of it, "
            "or leave it out of the batch"
        )
    raise TypeError(f"{called} has dtype {dtype}, which JAX does not take: {way_out}")


def _way_out(given: Any, path: str, name: str) -> str:
    if not path:
        return f"; if {name}= is one batch, put it in a list"
    if isinstance(given, (int, float, complex)) and path.endswith("]") and path[-2].isdigit():
        return "; a list is taken apart: give numpy.asarray of it"
    return ""


def check_like(values: Any, this: Any, first: Any, here: str) -> None:
    """Refuses a batch that is not like the first.

    Args:
        values: The batch.
        this: Its structure, and the shape and dtype of a row of each array.
        first: Those of the first.
        here: Which batch it is, in words.

    Raises:
        ValueError: Always, with what is different.
    """
    if this[0] != first[0]:
        raise ValueError(f"{here} has the structure {this[0]}, and the first {first[0]}: {_ALIKE}")
    for path, row, row_0 in zip(named(values), this[1], first[1], strict=True):
        if row != row_0:
            called = f"batch{path} of {here}" if path else here
            raise ValueError(
                f"{called} has rows of {kind(*row)}, and in the first they were {kind(*row_0)}: "
                f"{_ALIKE}"
            )


def named(values: Any) -> list[str]:
    """The path of each array as it is written after the name of the tree.

    Args:
        values: The tree.
    """
    found = jax.tree_util.tree_flatten_with_path(values)[0]
    return [jax.tree_util.keystr(path) for path, _ in found]
