"""A function of a user's that is traced and compiled once for arguments of one kind."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import jax

from jaxkit._jax.jitted import is_jitted, static_arguments
from jaxkit._jax.values import kind_of
from jaxkit.transforms._wrapped_module import is_pytree

__all__ = ["staged"]

Build = Callable[[Any], Callable[..., Any]]


def staged(fun: Any, build: Build) -> Callable[..., Any]:
    """What `build` makes of a function, under `jax.jit`.

    Arrays and numbers are traced, as the static arguments of a jitted function are not, nor is
    whatever else an argument holds: that must be equal for what was compiled to be used again.

    Args:
        fun: The function, jitted or not, or a callable pytree, whose leaves are arguments.
        build: Given `fun`, returns the function to be compiled. Hashable: equal ones share what
            is compiled for a callable pytree.
    """
    if is_pytree(fun):
        return lambda *args, **kwargs: _call(_of_pytrees, build, fun, args, kwargs)
    compiled = jax.jit(_run, static_argnums=0)
    return lambda *args, **kwargs: _call(compiled, build, _Fixed(fun), args, kwargs)


class _Fixed:
    """A value that is not traced, and no pytree."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Fixed):
            return False
        same = type(self.value) is type(other.value)
        return self.value is other.value or (same and bool(self.value == other.value))

    def __hash__(self) -> int:
        return hash(self.value)


class _Static:
    """All that is not traced of a call."""

    def __init__(self, build: Build, structure: Any, leaves: list[Any]) -> None:
        self.build = build
        self.structure = structure
        self.leaves = [None if _is_traced(leaf) else leaf for leaf in leaves]
        self.places = [place for place, leaf in enumerate(leaves) if _is_traced(leaf)]
        fixed = (each if each is None else _Fixed(each) for each in self.leaves)
        self._key: Hashable = (build, structure, tuple(self.places), tuple(fixed))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _is_traced(leaf: Any) -> bool:
    if kind_of(type(leaf)) in ("jax", "numpy", "tracer"):
        return getattr(leaf.dtype, "kind", "") != "O"
    return isinstance(leaf, (bool, int, float, complex))


def _call(compiled: Any, build: Build, fun: Any, args: Any, kwargs: Any) -> Any:
    inner = fun.value if isinstance(fun, _Fixed) else fun
    args, kwargs = _with_fixed(inner, args, kwargs)
    leaves, structure = jax.tree.flatten((fun, args, kwargs))
    static = _Static(build, structure, leaves)
    arrays = [leaves[place] for place in static.places]
    try:
        hash(static)
    except TypeError:  # nothing to find it again by
        return _run(static, arrays)
    return compiled(static, arrays)


def _with_fixed(fun: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """With the static arguments of a jitted function closed to JAX."""
    if not is_jitted(fun):
        return args, kwargs
    numbers, names = static_arguments(fun)
    places = {n % len(args) for n in numbers if -len(args) <= n < len(args)}
    fixed = (_Fixed(each) if i in places else each for i, each in enumerate(args))
    named = {n: _Fixed(each) if n in names else each for n, each in kwargs.items()}
    return tuple(fixed), named


def _run(static: _Static, arrays: list[Any]) -> Any:
    leaves = list(static.leaves)
    for place, array in zip(static.places, arrays, strict=True):
        leaves[place] = array
    opened = [leaf.value if isinstance(leaf, _Fixed) else leaf for leaf in leaves]
    fun, args, kwargs = jax.tree.unflatten(static.structure, opened)
    return static.build(fun)(*args, **kwargs)


_of_pytrees = jax.jit(_run, static_argnums=0)
