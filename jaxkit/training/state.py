"""What a step takes and returns: everything that training changes, as one pytree of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.errors import UsageError
from jaxkit.training.stateful import refuse_stateful
from jaxkit.training.words import short

__all__ = [
    "State",
    "check_given",
    "check_key",
    "from_host",
    "initial",
    "joined",
    "named_leaves",
    "split",
    "to_host",
]


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
        best: In a checkpoint, the params of the best row, where early stopping restores them; None
            else.
    """

    step: Any
    params: Any
    frozen: Any
    optimizer: Any
    scale: Any
    key: Any
    bad: Any
    skipped: Any
    best: Any = None


def split(model: Any) -> tuple[Any, Any, Any]:
    """What is trained, what other arrays there are, and everything else of a model.

    Raises:
        TypeError: Nothing in it can be trained, or it has state that a step would change.
    """
    refuse_stateful(model)
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
    if key is None:
        return None
    made = key if _is_key(key) else _wrapped(key)
    if made is None:
        raise TypeError(
            f"key must be a random key, got key={short(key)} of type {type(key).__name__}: write "
            "jax.random.key(0)"
        )
    if made.shape:
        raise ValueError(
            f"key must be one key, got {made.size} of shape {made.shape}: give one of them; fit "
            "makes one for each step of it"
        )
    return made


def _wrapped(key: Any) -> Any:
    """A key as `jax.random.PRNGKey` makes it, with its type; None if it is none."""
    if not isinstance(key, (jax.Array, np.ndarray)) or key.dtype != np.uint32:
        return None
    try:
        return jax.random.wrap_key_data(jnp.asarray(key))
    except TypeError:
        return None


def check_key(saved: Any, given: Any, where: str) -> None:
    """Refuses to go on with another key than that of the checkpoint.

    Args:
        saved: The checkpoint's, or None.
        given: That of this run, or None.
        where: Which checkpoint it is.

    Raises:
        UsageError: They differ.
    """
    if saved is None or given is None:  # both: that is part of the structure
        return
    one, other = (np.asarray(jax.random.key_data(key)) for key in (saved, given))
    if not np.array_equal(one, other):
        raise UsageError(
            f"{where} was written with another key than that which is given: give the same key=, "
            "or another directory to begin anew"
        )


def check_given(params: Any) -> None:
    """Refuses a model with NaN: no step of it would be finite.

    Args:
        params: Its arrays that are trained.

    Raises:
        ValueError: There is a NaN.
    """
    named = jax.tree_util.tree_flatten_with_path(params)[0]
    spoilt = [f"model{jax.tree_util.keystr(path)}" for path, leaf in named if _has_nan(leaf)]
    if spoilt:
        raise ValueError(
            f"the model that was given has NaN in {', '.join(spoilt)}: no step of it would be "
            "finite; look at how it was made"
        )


def _has_nan(leaf: Any) -> bool:
    if isinstance(leaf, jax.Array) and any(each.platform != "cpu" for each in leaf.devices()):
        return bool(jnp.isnan(leaf).any())
    # By NumPy, for which nothing is compiled.
    return bool(np.isnan(np.asarray(leaf)).any())


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
