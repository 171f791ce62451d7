"""Whether two results agree, up to what the dtype allows, and where they do not."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

__all__ = [
    "close",
    "copied",
    "difference",
    "is_float",
    "leaf_type",
    "shape_of",
    "show",
    "tolerance",
]

# In units of the dtype's spacing: XLA fuses, reorders and uses other polynomials in each mode.
_ULPS = 64


def is_float(x: Any) -> bool:
    """Whether it is an inexact array or a Python float, so that a derivative makes sense."""
    if isinstance(x, (float, complex)):
        return True
    dtype = getattr(x, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def tolerance(dtype: Any, ulps: float = _ULPS) -> float:
    """The relative difference between two ways to compute one thing; 0 for exact dtypes."""
    if not jnp.issubdtype(dtype, jnp.inexact):
        return 0.0
    return float(ulps) * float(jnp.finfo(dtype).eps)


def as_numpy(x: Any) -> np.ndarray:
    """The values in a NumPy type that holds them exactly; keys as their data."""
    dtype = getattr(x, "dtype", None)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        x = jax.random.key_data(x)
    array = np.asarray(x)
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    if array.dtype.kind in "fV" or jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(np.float64)
    return array


def close(a: Any, b: Any, *, ulps: float = _ULPS, rtol: float | None = None) -> bool:
    """Whether two arrays agree, NaN and infinities at the same places included."""
    x, y = as_numpy(a), as_numpy(b)
    if x.shape != y.shape:
        return False
    if x.dtype.kind not in "fc" and y.dtype.kind not in "fc":
        return bool(np.array_equal(x, y))
    if rtol is None:
        rtol = max(tolerance(each, ulps) for each in (_dtype(a), _dtype(b)))
    finite = np.isfinite(y)
    largest = float(np.max(np.abs(y[finite]), initial=0.0))
    with np.errstate(all="ignore"):
        return bool(np.allclose(x, y, rtol=rtol, atol=rtol * largest, equal_nan=True))


def difference(a: Any, b: Any, *, ulps: float = _ULPS, rtol: float | None = None) -> str | None:
    """Where two pytrees differ, in words; None if they agree.

    Args:
        a: What came out.
        b: What was expected.
        ulps: The tolerance in units of the dtype's spacing.
        rtol: A relative tolerance instead.

    Returns:
        Such as `['x'] is [1. 2.] instead of [1. 3.]`. Order of keys, dtypes and kinds of containers
        are not looked at.
    """
    x, y = (jax.tree_util.tree_flatten_with_path(each)[0] for each in (a, b))
    paths = [[jax.tree_util.keystr(path) for path, _ in each] for each in (x, y)]
    if paths[0] != paths[1]:
        return f"the result is {show(a)} instead of {show(b)}"
    for path, (_, left), (_, right) in zip(paths[0], x, y, strict=True):
        try:
            same = close(left, right, ulps=ulps, rtol=rtol)
        except (TypeError, ValueError):
            same = left is right or bool(left == right)
        if not same:
            return f"the result{path} is {show(left)} instead of {show(right)}"
    return None


def leaf_type(x: Any) -> str:
    """Dtype and weak type, such as `float32` or `weak float32`; another type's name."""
    try:
        aval = jax.typeof(x)
    except TypeError:
        return type(x).__name__
    weak = "weak " if getattr(aval, "weak_type", False) else ""
    return f"{weak}{getattr(aval, 'dtype', aval)}"


def shape_of(tree: Any, *, order: bool = True) -> str:
    """The containers of a tree, with the order of dict keys, which JAX's treedefs leave out."""
    if tree is None:
        return "None"
    if isinstance(tree, dict):
        keys = list(tree) if order else sorted(tree, key=str)
        inner = ", ".join(f"{key!r}: {shape_of(tree[key], order=order)}" for key in keys)
        return f"{type(tree).__name__}{{{inner}}}"
    if isinstance(tree, (list, tuple)):
        inner = ", ".join(shape_of(each, order=order) for each in tree)
        return f"{type(tree).__name__}({inner})"
    if jax.tree_util.all_leaves([tree]):
        return "*"
    leaves = jax.tree_util.tree_flatten(tree, is_leaf=lambda node: node is not tree)[0]
    return f"{type(tree).__name__}({', '.join(shape_of(each, order=order) for each in leaves)})"


def copied(tree: Any) -> Any:
    """An equal tree of new arrays, with the order of dict keys that `jax.tree.map` would sort."""
    if isinstance(tree, dict):
        made = type(tree)(tree) if type(tree) is not dict else {}
        for key, each in tree.items():
            made[key] = copied(each)
        return made
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*map(copied, tree))
    if type(tree) in (list, tuple):
        return type(tree)(map(copied, tree))
    if isinstance(tree, np.ndarray):
        return tree.copy()
    if isinstance(tree, jax.Array):
        return _copied_array(tree)
    if callable(tree) or jax.tree_util.all_leaves([tree]) or tree is None:
        return tree
    return jax.tree_util.tree_map(copied, tree)


def show(value: Any, limit: int = 120) -> str:
    """A short text of a value, arrays by their numbers."""
    if isinstance(value, (np.ndarray, jax.Array)) and not isinstance(value, Tracer):
        with np.printoptions(precision=6, threshold=8, edgeitems=2):
            text = f"{value.dtype}{list(value.shape)} " + _numbers(value)
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _numbers(value: Any) -> str:
    try:
        return str(as_numpy(value))
    except RuntimeError:  # deleted
        return "(deleted)"


def _copied_array(array: jax.Array) -> jax.Array:
    if isinstance(array, Tracer) or jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return array
    if getattr(array, "weak_type", False):
        return array * 1
    return jax.device_put(np.array(array), array.sharding if array.committed else None)


def _dtype(x: Any) -> Any:
    return getattr(x, "dtype", None) or jnp.result_type(x)
