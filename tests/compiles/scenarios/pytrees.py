"""The containers around arrays, and how arguments are passed: the treedef is in the key."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.compiles.scenarios._base import QUIET, again, ran, scenario, step

X = np.ones(3, np.float32)


def total() -> Any:
    """Make a fresh jitted function of one tree."""

    @jax.jit
    def f(tree: Any) -> jax.Array:
        ran()
        return sum(leaf.sum() for leaf in jax.tree.leaves(tree))

    return f


# A dict's keys are its treedef's aux data; the smallest path that changed is the new entry.
@scenario(step("1/1/1/1", again("f", "pytree-structure", at="tree['b']")))
def pytree_extra_key() -> Iterator[None]:
    f = total()
    f({"a": X})
    yield
    f({"a": X, "b": X})
    yield


# None is a treedef node without leaves.
@scenario(step("1/1/1/1", again("f", "pytree-structure", at="tree['b']")))
def pytree_none_to_array() -> Iterator[None]:
    f = total()
    f({"a": X, "b": None})
    yield
    f({"a": X, "b": X})
    yield


# list and tuple are two node types over the same leaves.
@scenario(step("1/1/1/1", again("f", "pytree-structure", at="tree")))
def pytree_list_tuple() -> Iterator[None]:
    f = total()
    f([X, X])
    yield
    f((X, X))
    yield


@scenario(QUIET)
def pytree_dict_order() -> Iterator[None]:
    f = total()
    f({"a": X, "b": X})
    yield
    f({"b": X, "a": X})
    yield


# An OrderedDict keeps its order in the treedef (a dict is sorted).
@scenario(step("1/1/1/1", again("f", "pytree-structure", at="tree")))
def pytree_ordereddict_order() -> Iterator[None]:
    f = total()
    f(collections.OrderedDict([("a", X), ("b", X)]))
    yield
    f(collections.OrderedDict([("b", X), ("a", X)]))
    yield


@functools.partial(jax.tree_util.register_dataclass, data_fields=["w"], meta_fields=["scale"])
@dataclasses.dataclass
class Params:
    """A dataclass with one array and one field of metadata."""

    w: Any
    scale: float


# A meta field is the node's aux data: the leaves are alike, the treedef is not.
@scenario(step("1/1/1/1", again("f", "static-metadata", at="params.scale")))
def pytree_aux_change() -> Iterator[None]:
    @jax.jit
    def f(params: Params) -> jax.Array:
        ran()
        return params.w * params.scale

    f(Params(X, 1.0))
    yield
    f(Params(X, 2.0))
    yield


def affine() -> Any:
    """Make a fresh jitted function with a default."""

    @jax.jit
    def f(x: jax.Array, scale: Any = 2.0, shift: Any = 1.0) -> jax.Array:
        ran()
        return x * scale + shift

    return f


# The key is the treedef of (args, kwargs): a keyword is another leaf than a position. The path
# is the argument that moved.
@scenario(step("1/1/1/1", again("f", "call-signature", at="scale")))
def kwarg_vs_positional() -> Iterator[None]:
    f = affine()
    f(X, 3.0)
    yield
    f(X, scale=3.0)
    yield


@scenario(QUIET)
def kwarg_order() -> Iterator[None]:
    f = affine()
    f(X, scale=3.0, shift=1.0)
    yield
    f(X, shift=1.0, scale=3.0)
    yield


# Passing the default spells the same call with one leaf more.
@scenario(step("1/1/1/1", again("f", "call-signature", at="scale")))
def default_arg_omitted() -> Iterator[None]:
    f = affine()
    f(X, 2.0)
    yield
    f(X)
    yield


@scenario(QUIET)
def tree_util_partial_arg() -> Iterator[None]:
    @jax.jit
    def f(fun: Any, x: jax.Array) -> jax.Array:
        ran()
        return fun(x)

    f(jax.tree_util.Partial(jnp.multiply, X), X)
    yield
    f(jax.tree_util.Partial(jnp.multiply, X + 1), X)
    yield
