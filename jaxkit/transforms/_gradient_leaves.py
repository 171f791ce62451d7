"""Which leaves of a tree of gradients are clipped: those of a floating or complex dtype."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Leaves", "real_dtype", "wide_dtype"]


class Leaves:
    """The leaves of a tree that are clipped, and the way back to the tree.

    Integers, booleans, keys and float0 (the gradient of an integer) are left as they are: they have
    no norm that a step could follow. None is no leaf.

    Args:
        tree: Any pytree.
        name: What the tree is called in messages.

    Attributes:
        arrays: What is clipped, in the order of the tree.
        paths: Where each stands, such as `gradients['w'][0]`.

    Raises:
        TypeError: A leaf is neither an array nor a number; the message says which.
    """

    def __init__(self, tree: Any, name: str) -> None:
        with_paths, self._structure = jax.tree_util.tree_flatten_with_path(tree)
        self._tree = tree
        self._all: list[Any] = [leaf for _, leaf in with_paths]
        for path, leaf in with_paths:
            _check(leaf, path, name)
        self.places = [i for i, leaf in enumerate(self._all) if _is_inexact(leaf)]
        self.arrays: tuple[Any, ...] = tuple(self._all[i] for i in self.places)
        self._name, self._with_paths = name, with_paths

    @property
    def paths(self) -> list[str]:
        """Made when asked for: it costs more than all else here."""
        keystr = jax.tree_util.keystr
        return [self._name + keystr(self._with_paths[i][0]) for i in self.places]

    def rebuild(self, arrays: Sequence[Any]) -> Any:
        """The tree with other arrays in the places of its own."""
        leaves = list(self._all)
        for place, array in zip(self.places, arrays, strict=True):
            leaves[place] = array
        return self._unflatten(leaves)

    def values(self, values: Sequence[Any]) -> Any:
        """A tree with a value for each leaf that is clipped, and None for the others."""
        leaves: list[Any] = [None] * len(self._all)
        for place, value in zip(self.places, values, strict=True):
            leaves[place] = value
        return self._unflatten(leaves)

    def _unflatten(self, leaves: list[Any]) -> Any:
        return _ordered_as(self._tree, jax.tree.unflatten(self._structure, leaves))


def _ordered_as(tree: Any, other: Any) -> Any:
    """The other tree, of one structure with the first, with the keys of dicts in its order.

    JAX sorts them. Looks into dicts, lists and tuples.
    """
    if isinstance(tree, dict):
        inside: Any = {key: _ordered_as(value, other[key]) for key, value in tree.items()}
        if type(other) is dict:
            return inside
        new = copy.copy(other)
        new.clear()
        new.update(inside)
        return new
    if isinstance(tree, (list, tuple)):
        inside = [_ordered_as(*pair) for pair in zip(tree, other, strict=True)]
        return other._make(inside) if hasattr(other, "_make") else type(other)(inside)
    return other


def real_dtype(leaf: Any) -> np.dtype[Any]:
    """The dtype of a leaf's real part."""
    return jnp.finfo(jax.dtypes.result_type(leaf)).dtype


def wide_dtype(leaves: Sequence[Any]) -> np.dtype[Any]:
    """The dtype in which a norm of these leaves is computed: float32, or float64 if one has it."""
    found = [real_dtype(leaf) for leaf in leaves]
    return np.dtype(np.float64 if np.dtype(np.float64) in found else np.float32)


def _is_inexact(leaf: Any) -> bool:
    return bool(jnp.issubdtype(jax.dtypes.result_type(leaf), np.inexact))


def _check(leaf: Any, path: Any, name: str) -> None:
    try:
        jax.dtypes.result_type(leaf)
    except (TypeError, ValueError):
        where = name + jax.tree_util.keystr(path)
        raise TypeError(
            f"the leaves of {name} must be arrays or numbers, "
            f"got {where} of type {type(leaf).__name__}: take it out first, "
            f"for example with equinox.filter({name}, equinox.is_array)"
        ) from None
