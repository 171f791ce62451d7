"""A function of a user's that is traced and compiled once for arguments of one kind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import jax

from jaxkit._jax.jaxprs import name_of
from jaxkit._jax.jitted import is_jitted, static_arguments
from jaxkit._jax.values import kind_of
from jaxkit.transforms._wrapped_module import is_pytree

__all__ = ["staged"]

# Of which nobody changes what is in them.
_CODE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType)
Build = Callable[[Any], Callable[..., Any]]


def staged(fun: Any, build: Build) -> Callable[..., Any]:
    """What `build` makes of a function, under `jax.jit`.

    Arrays are traced. Whatever else an argument holds reaches the function as it is, numbers
    included unless the function is jitted; what was compiled is used again where that is equal. An
    object without an equality of its own may have changed, and nothing is used again.

    Args:
        fun: The function, jitted or not, or a callable pytree, whose leaves are arguments.
        build: Given a function, returns the one to be compiled. Hashable: equal ones share what
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
        return isinstance(other, _Fixed) and _key(self.value) == _key(other.value)

    def __hash__(self) -> int:
        return hash(_key(self.value))


def _key(value: Any) -> Any:
    """1, 1.0 and True are three values, and so are 0.0 and -0.0."""
    return type(value), repr(value) if isinstance(value, (float, complex)) else value


class _Static:
    """All that is not traced of a call."""

    def __init__(self, build: Build, jitted: bool, structure: Any, leaves: list[Any]) -> None:
        self.build = build
        self.jitted = jitted
        self.structure = structure
        traced = ("jax", "numpy", "tracer", *(["number"] if jitted else []))
        self.places = [i for i, leaf in enumerate(leaves) if kind_of(type(leaf)) in traced]
        self.leaves: list[Any] = [_Fixed(leaf) for leaf in leaves]
        for place in self.places:
            self.leaves[place] = None
        self._key: Hashable = (build, jitted, structure, tuple(self.leaves))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def filled(self, arrays: Sequence[Any]) -> Any:
        """The function, its arguments and its keyword arguments."""
        leaves = [_opened(leaf) for leaf in self.leaves]
        for place, array in zip(self.places, arrays, strict=True):
            leaves[place] = array
        return jax.tree.unflatten(self.structure, leaves)


def _opened(leaf: Any) -> Any:
    while isinstance(leaf, _Fixed):
        leaf = leaf.value
    return leaf


def _call(compiled: Any, build: Build, fun: Any, args: Any, kwargs: Any) -> Any:
    inner = _opened(fun)
    jitted = is_jitted(inner)
    if jitted:
        args, kwargs = _with_fixed(inner, args, kwargs)
    leaves, structure = jax.tree.flatten((fun, args, kwargs))
    static = _Static(build, jitted, structure, leaves)
    arrays = [leaves[place] for place in static.places]
    again = jitted or not any(map(_may_change, jax.tree.leaves((args, kwargs))))
    try:
        hash(static)
    except TypeError:
        again = False  # nothing to find it again by
    return compiled(static, arrays) if again else _run(static, arrays)


def _may_change(leaf: Any) -> bool:
    """Whether it is the same for Python whatever is in it, as the `self` of a method."""
    kind = type(leaf)
    plain = kind.__hash__ is object.__hash__ and kind_of(kind) == "other"
    return plain and not isinstance(leaf, (type, *_CODE))


def _with_fixed(fun: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """With the static arguments of a jitted function closed to JAX."""
    numbers, names = static_arguments(fun)
    places = {n % len(args) for n in numbers if -len(args) <= n < len(args)}
    fixed = (_Fixed(each) if i in places else each for i, each in enumerate(args))
    named = {n: _Fixed(each) if n in names else each for n, each in kwargs.items()}
    return tuple(fixed), named


def _run(static: _Static, arrays: list[Any]) -> Any:
    fun, args, kwargs = static.filled(arrays)
    if static.jitted:
        return static.build(fun)(*args, **kwargs)

    def called(*arrays: Any) -> Any:
        fun, args, kwargs = static.filled(arrays)
        return fun(*args, **kwargs)

    called.__name__ = called.__qualname__ = name_of(fun)
    return static.build(called)(*arrays)


_of_pytrees = jax.jit(_run, static_argnums=0)
