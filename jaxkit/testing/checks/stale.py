"""`stale`: a compiled function goes on with what it read when it was traced."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.testing._compare import difference
from jaxkit.testing.checks._case import Case, Check, UncheckedError, disagree
from jaxkit.testing.variants import run_as

__all__ = ["CHECKS"]

_CHANGING = frozenset(
    "append extend insert pop remove clear update setdefault popitem add discard fill".split()
)


@dataclass(frozen=True)
class _Place:
    """Where a number is kept outside of the arguments."""

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], None]


def _stale(case: Case) -> None:
    """Only for what the program is seen to change: a constant is read once rightly."""
    places = list(_places(case.fun))
    if not places:
        raise UncheckedError("it reads nothing that the program changes")
    for place in places:
        _one(case, place)


def _one(case: Case, place: _Place) -> None:
    before = place.get()
    try:
        jitted = run_as("with_jit", _anew(case.fun))
        old = case.call(jitted)
        place.set(_another(before))
        now, still = case.call(), case.call(jitted)
    except Exception:
        return
    finally:
        with contextlib.suppress(Exception):
            place.set(before)
    if difference(now, old) is not None and difference(still, old) is None:
        disagree(
            f"the program changes {place.name}, and what jax.jit has compiled goes on with its "
            "old value: pass it as an argument"
        )


def _anew(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Not found in any cache of JAX's."""
    return functools.wraps(fun)(lambda *args, **kwargs: fun(*args, **kwargs))


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + (1 if isinstance(value, int) else 0.75)


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, int, float)):
        return True
    return isinstance(value, (jax.Array, np.ndarray)) and jnp.issubdtype(value.dtype, jnp.inexact)


def _places(fun: Callable[..., Any]) -> Iterator[_Place]:
    plain = inspect.unwrap(fun)
    code_of = getattr(plain, "__func__", plain)
    if not isinstance(code_of, types.FunctionType):
        call = getattr(type(plain), "__call__", None)  # noqa: B004
        if not isinstance(call, types.FunctionType):
            return
        owner, code_of = plain, call
    else:
        owner = getattr(plain, "__self__", None)
    changed = _changed_names(code_of)
    if owner is not None and not isinstance(owner, type) and hasattr(owner, "__dict__"):
        used = set(code_of.__code__.co_names)
        for name in vars(owner):
            if name in used and f".{name}" in changed:
                yield from _inside(name, _attribute(owner, name), changed)
    cells = zip(code_of.__code__.co_freevars, code_of.__closure__ or (), strict=True)
    for name, cell in cells:
        yield from _inside(name, _cell(name, cell), changed)
    for name in code_of.__code__.co_names:
        if name in code_of.__globals__:
            yield from _inside(name, _item(name, code_of.__globals__, name), changed)


def _inside(name: str, place: _Place, changed: set[str]) -> Iterator[_Place]:
    try:
        value = place.get()
    except ValueError:
        return
    if _is_number(value):
        if name in changed or f".{name}" in changed:
            yield place
    elif isinstance(value, (dict, list)) and name in changed | {c.strip(".") for c in changed}:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            if _is_number(value[key]):
                yield _item(f"{name}[{key!r}]", value, key)
    elif hasattr(value, "__dict__") and not isinstance(value, (type, types.ModuleType)):
        if callable(value):
            return
        for attribute in vars(value):
            if f".{attribute}" in changed and _is_number(vars(value)[attribute]):
                yield _attribute(value, attribute)


def _attribute(owner: Any, name: str) -> _Place:
    return _Place(name, lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


def _cell(name: str, cell: Any) -> _Place:
    return _Place(
        name, lambda: cell.cell_contents, lambda value: setattr(cell, "cell_contents", value)
    )


def _item(name: str, owner: Any, key: Any) -> _Place:
    return _Place(name, lambda: owner[key], lambda value: owner.__setitem__(key, value))


def _changed_names(fun: types.FunctionType) -> set[str]:
    """Names that its file assigns anew, and `.name` for attributes, by reading it."""
    try:
        file = inspect.getsourcefile(fun)
        tree = ast.parse(open(file or "", encoding="utf-8").read())  # noqa: SIM115
    except (OSError, TypeError, SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        found |= _declared(node) | _stored(node)
    made = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in ("__init__", "__post_init__")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if isinstance(node, ast.Attribute) and stored and id(node) not in made:
            found.add(f".{node.attr}")
    return found


def _declared(node: ast.AST) -> set[str]:
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return set(node.names)
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


def _stored(node: ast.AST) -> set[str]:
    target: Any = None
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
        target = node.value
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Attribute) and called.attr in _CHANGING:
        target = called.value
    if isinstance(target, ast.Attribute):
        return {target.attr}
    return {target.id} if isinstance(target, ast.Name) else set()


CHECKS = (
    Check("stale", "jax.jit follows what the function reads besides its arguments", _stale, 2),
)
