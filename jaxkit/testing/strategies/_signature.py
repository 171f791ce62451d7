"""The parameters of a callable, their annotations resolved."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["MISSING", "Parameter", "name_of", "parameters_of", "shown"]

MISSING = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name: without stars.
        kind: as `inspect.Parameter` has it.
        annotation: resolved; MISSING without one.
        default: MISSING without one.
        problem: why the annotation could not be resolved, else empty.
    """

    name: str
    kind: Any
    annotation: Any
    default: Any
    problem: str = ""


def shown(annotation: Any) -> str:
    """An annotation as errors show it, without the modules that its parts are from."""
    plain = isinstance(annotation, type) and typing.get_origin(annotation) is None
    text = annotation.__qualname__ if plain else str(annotation)
    return re.sub(r"\b([A-Za-z_]\w*\.)+(?=\w)", "", text.rpartition("<locals>.")[2])


def name_of(fun: Any) -> str:
    """What errors call a callable."""
    for each in (fun, getattr(fun, "func", None), type(fun)):
        name = getattr(each, "__qualname__", None)
        if name:
            return str(name).replace("<locals>.", "").rpartition(".<locals>.")[2]
    return repr(fun)


def parameters_of(fun: Any) -> list[Parameter]:
    """The parameters that a call of `fun` may give.

    Raises:
        TypeError: It is no callable, or does not say what it takes.
    """
    if not callable(fun):
        raise TypeError(f"fun must be callable, got fun={fun!r}")
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name_of(fun)} does not say what it takes ({error}); wrap it in a function with "
            "annotated parameters"
        ) from error
    spaces = _namespaces(fun)
    return [_resolved(each, spaces) for each in signature.parameters.values()]


def _resolved(parameter: inspect.Parameter, spaces: tuple[dict, dict]) -> Parameter:
    annotation, problem = parameter.annotation, ""
    if annotation is not MISSING:
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        try:
            annotation = typing.get_type_hints(holder, *spaces, include_extras=True)["it"]
        except Exception as error:  # any expression may stand in a string
            # An alias made elsewhere has names that mean nothing here, `chex.ArrayTree` its own.
            if isinstance(annotation, str):
                problem = f"{type(error).__name__}: {error}"
    return Parameter(parameter.name, parameter.kind, annotation, parameter.default, problem)


def _namespaces(fun: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where the names in annotations that are strings stand: in its module, or around it."""
    inner = _innermost(fun)
    module = sys.modules.get(getattr(inner, "__module__", None) or "")
    found = dict(getattr(inner, "__globals__", None) or vars(module or types))
    code, cells = getattr(inner, "__code__", None), getattr(inner, "__closure__", None)
    around: dict[str, Any] = {each.__name__: each for each in _type_parameters(fun, inner)}
    for name, cell in zip(getattr(code, "co_freevars", ()), cells or (), strict=False):
        try:
            around[name] = cell.cell_contents
        except ValueError:  # a name that is bound later
            continue
    return found, around


def _type_parameters(*owners: Any) -> list[Any]:
    return [each for owner in owners for each in getattr(owner, "__type_params__", ())]


def _innermost(fun: Any) -> Callable[..., Any]:
    """The function that was written, under wrappers, partials and bound methods."""
    for _ in range(100):
        if isinstance(fun, functools.partial):
            fun = fun.func
        elif inspect.ismethod(fun):
            fun = fun.__func__
        elif hasattr(fun, "__wrapped__"):
            fun = fun.__wrapped__
        elif inspect.isclass(fun):
            fun = fun.__init__
        elif not hasattr(fun, "__code__") and hasattr(type(fun).__call__, "__code__"):
            fun = type(fun).__call__
        else:
            break
    return fun
