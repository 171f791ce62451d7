"""What a wrapped function remembers: numbers and sizes in its closure, attributes and defaults."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["remembered"]

_DEPTH = 5
_FOREIGN = ("jax", "jaxlib", "numpy", "equinox", "threading", "_thread", "functools", "weakref")


def remembered(wrapped: Any, *, without: Any) -> dict[str, str]:
    """Numbers by where they are kept, and containers' sizes.

    Args:
        wrapped: The wrapped function.
        without: The function that was wrapped, whose own memory is its own affair.

    Returns:
        Two equal calls later it should be the same.
    """
    found: dict[str, str] = {}
    seen = {id(without)}
    todo: list[tuple[str, Any, int]] = [("", wrapped, 0)]
    while todo:
        path, value, depth = todo.pop()
        if id(value) in seen and not isinstance(value, (int, float)):
            continue
        seen.add(id(value))
        if isinstance(value, (bool, int, float, complex, np.generic)):
            found[path] = repr(value)
        elif isinstance(value, (list, dict, set)):
            found[f"len({path})"] = str(len(value))
        if depth < _DEPTH:
            todo += [(f"{path}{name}", each, depth + 1) for name, each in _inside(value)]
    return found


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                yield f".{name}", cell.cell_contents
            except ValueError:  # empty
                continue
        for name, each in value.__dict__.items():
            if name != "__wrapped__":
                yield f".{name}", each
        yield from ((f".default[{i}]", each) for i, each in enumerate(value.__defaults__ or ()))
        yield from ((f".{name}", each) for name, each in (value.__kwdefaults__ or {}).items())
    elif isinstance(value, types.MethodType):
        yield ".self", value.__self__
        yield ".function", value.__func__
    elif isinstance(value, dict) and len(value) <= 100:
        yield from ((f"[{key!r}]"[:60], each) for key, each in list(value.items()))
    elif isinstance(value, (list, tuple)) and len(value) <= 100:
        yield from ((f"[{i}]", each) for i, each in enumerate(list(value)))
    elif _is_users(value):
        yield from ((f".{name}", each) for name, each in list(vars(value).items()))
        call = getattr(type(value), "__call__", None)  # noqa: B004  what it does when called
        if isinstance(call, types.FunctionType):
            yield ".call", call


def _is_users(value: Any) -> bool:
    if isinstance(value, (type, types.ModuleType)) or not hasattr(value, "__dict__"):
        return False
    module = type(value).__module__ or ""
    return module.partition(".")[0] not in _FOREIGN
