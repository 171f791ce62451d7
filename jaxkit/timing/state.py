"""What a call changes besides making its result, as far as that shows from outside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from jaxkit.timing.arguments import compiled_as_whole

__all__ = ["State", "calls_jitted"]

_CONTAINERS = (dict, list, set, bytearray)
_LARGE = 1 << 22  # bytes of NumPy arrays that are copied to compare them
_MOST = 64


class State:
    """The mutable values that a function can reach by name, as they were.

    Args:
        fun: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """

    def __init__(self, fun: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self._before = [(name, value, _print(value)) for name, value in _named(fun, args, kwargs)]
        self._bound = list(_bound(fun))
        self._arrays = [value for _, value in _reached(fun) if isinstance(value, np.ndarray)]

    def names(self, value: Any) -> bool:
        """Whether the value was a NumPy array that the function has by name."""
        return any(value is each for each in self._arrays)

    def changed(self) -> list[str]:
        """The names of what is another now, in the order in which they were found."""
        found = [name for name, value, before in self._before if _print(value) != before]
        for name, read, before in self._bound:
            with contextlib.suppress(Exception):
                now = read()
                if now is not before and not (_plain(now) and now == before):
                    found.append(name)
        return list(dict.fromkeys(found))


def calls_jitted(fun: Callable[..., Any]) -> bool:
    """Whether the function can reach a jitted function by name."""
    return any(compiled_as_whole(value) for _, value in _reached(fun))


def _named(fun: Any, args: Any, kwargs: Any) -> Iterator[tuple[str, Any]]:
    import jax

    is_leaf = lambda value: isinstance(value, _CONTAINERS)  # noqa: E731
    for path, leaf in jax.tree_util.tree_leaves_with_path((args, kwargs), is_leaf=is_leaf):
        if isinstance(leaf, _CONTAINERS) or _is_small_array(leaf):
            yield f"argument {jax.tree_util.keystr(path[1:])}", leaf
    for name, value in _reached(fun):
        if isinstance(value, _CONTAINERS) or _is_small_array(value):
            yield name, value
        elif hasattr(value, "__dict__") and not isinstance(value, type) and _is_users(value):
            yield name, vars(value)


def _is_small_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.nbytes <= _LARGE and value.dtype != object


def _is_users(value: Any) -> bool:
    """An object of a class of the user's: modules and functions are not looked into."""
    return type(value).__module__.partition(".")[0] not in ("builtins", "jax", "jaxlib", "numpy")


def _reached(fun: Any) -> Iterator[tuple[str, Any]]:
    """Values of closure cells and of globals that the code names."""
    owner = getattr(fun, "__self__", None)
    if owner is not None and not isinstance(owner, type):
        yield "self", owner
    elif not isinstance(fun, FunctionType) and _is_users(fun):
        yield "self", fun
    function = _function(fun)
    if function is None:
        return
    for name, cell in _cells(function):
        with contextlib.suppress(ValueError):
            yield name, cell.cell_contents
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _bound(fun: Any) -> Iterator[tuple[str, Callable[[], Any], Any]]:
    """Cells and globals that the code itself may bind anew."""
    function = _function(fun)
    if function is None:
        return
    for name, cell in _cells(function):
        with contextlib.suppress(ValueError):
            yield name, lambda cell=cell: cell.cell_contents, cell.cell_contents
    for name in _names(function.__code__):
        if name in function.__globals__:
            space = function.__globals__
            yield name, lambda name=name, space=space: space[name], space[name]


def _function(fun: Any) -> FunctionType | None:
    for _ in range(20):
        if isinstance(fun, FunctionType) and not hasattr(fun, "__wrapped__"):
            return fun
        inner = getattr(fun, "__wrapped__", None) or getattr(fun, "__func__", None)
        inner = inner or getattr(fun, "func", None) or vars(type(fun)).get("__call__")
        if inner is None or inner is fun:
            return fun if isinstance(fun, FunctionType) else None
        fun = inner
    return None


def _cells(function: FunctionType) -> list[tuple[str, Any]]:
    return list(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))


def _names(code: CodeType) -> list[str]:
    found = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.extend(constant.co_names)
    return list(dict.fromkeys(found))[:_MOST]


def _print(value: Any) -> Any:
    """Equal for the same content, as far as one look tells."""
    with contextlib.suppress(Exception):
        if isinstance(value, np.ndarray):
            return value.tobytes()
        if isinstance(value, dict):
            return len(value), [(id(k), id(v)) for k, v in list(value.items())[:_MOST]]
        if isinstance(value, (list, bytearray)):
            return len(value), [id(each) for each in value[:_MOST]], [id(e) for e in value[-8:]]
        return len(value)
    return None


def _plain(value: Any) -> bool:
    return isinstance(value, (int, float, complex, str, bytes, bool, type(None)))
