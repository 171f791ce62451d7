"""What a step takes and returns: everything that training changes, as one pytree of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["State", "from_host", "initial", "joined", "named_leaves", "split", "to_host"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """All that changes from step to step; every leaf is an array.

    Args:
        step: Steps done, int32.
        params: The arrays of the model that are trained, None elsewhere.
        frozen: Its other arrays, such as integers, None elsewhere.
        optimizer: The optimiser's state.
        scale: The loss scale's state; an empty dict without one.
        key: The random key, typed, or None. The key of a step is made of it and of `step`.
        bad: The step that was not finite and ended the run, int32; -1 for none.
        skipped: How many steps were not applied, int32.
    """

    step: Any
    params: Any
    frozen: Any
    optimizer: Any
    scale: Any
    key: Any
    bad: Any
    skipped: Any


def split(model: Any) -> tuple[Any, Any, Any]:
    """What is trained, what other arrays there are, and everything else of a model.

    Raises:
        TypeError: Nothing in it can be trained.
    """
    params, rest = eqx.partition(model, eqx.is_inexact_array)
    frozen, static = eqx.partition(rest, eqx.is_array)
    if not jax.tree.leaves(params):
        raise TypeError(
            "model must have an array of floating-point numbers to be trained, got a "
            f"{type(model).__name__} with none: Python's numbers are not trained, write "
            "jnp.asarray(0.0)"
        )
    return params, frozen, static


def joined(params: Any, frozen: Any, static: Any) -> Any:
    """The model that `split` took apart."""
    return eqx.combine(params, frozen, static)


def initial(params: Any, frozen: Any, optimizer: Any, scale: Any, key: Any) -> State:
    """The state before the first step, every array with a dtype of its own."""
    state = State(
        step=jnp.int32(0),
        params=params,
        frozen=frozen,
        optimizer=optimizer.init(params),
        scale=scale,
        key=_typed(key),
        bad=jnp.int32(-1),
        skipped=jnp.int32(0),
    )
    return jax.tree.map(_strong, state)


def _strong(leaf: Any) -> Any:
    """Not weakly typed: the step returns arrays that are not, and would be compiled again."""
    if _is_key(leaf):
        return leaf
    array = jnp.asarray(leaf)
    return jax.lax.convert_element_type(array, array.dtype) if array.weak_type else array


def _typed(key: Any) -> Any:
    if key is None or _is_key(key):
        return key
    return jax.random.wrap_key_data(jnp.asarray(key))


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def named_leaves(state: State) -> list[tuple[str, str]]:
    """The path of each leaf, as the user would write it, and its type."""
    found = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        name = jax.tree_util.keystr(path).removeprefix(".")
        for field, called in (("params", "model"), ("frozen", "model")):
            if name.startswith(field):
                name = called + name.removeprefix(field)
        found.append((name, f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"))
    return found


def to_host(state: State) -> list[np.ndarray[Any, Any]]:
    """Copies of all leaves in NumPy; waits for them. Nothing of JAX's memory is shared.

    On a CPU `np.asarray` of an array is a view, which the next step would overwrite.
    """
    leaves = [jax.random.key_data(x) if _is_key(x) else x for x in jax.tree.leaves(state)]
    return [np.array(leaf, copy=True) for leaf in jax.device_get(leaves)]


def from_host(arrays: list[Any], like: State) -> State:
    """The state that `to_host` copied, on the host still.

    Args:
        arrays: What `to_host` returned.
        like: A state of the same structure.
    """
    leaves, structure = jax.tree.flatten(like)
    made = [
        jax.random.wrap_key_data(jnp.asarray(new), impl=jax.random.key_impl(old))
        if _is_key(old)
        else new
        for new, old in zip(arrays, leaves, strict=True)
    ]
    return structure.unflatten(made)
