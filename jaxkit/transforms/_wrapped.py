"""What wrapping returns: the new behaviour, with everything else of the function that was wrapped.

A plain function for a callable; for a jitted one `WrappedJit`, which can be lowered; for a pytree
such as an Equinox module `WrappedModule`, a pytree.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

from jaxkit._jax import jitted
from jaxkit.transforms._wrapped_jit import WrappedJit
from jaxkit.transforms._wrapped_module import WrappedModule, is_pytree

if TYPE_CHECKING:
    from jaxkit.transforms._transform import Transform

__all__ = ["wrap"]

_OF_FUNCTIONS = ("__annotations__", "__type_params__")


def wrap(transform: Transform, fun: Any) -> Any:
    """Applies a transform, whose options are complete, to a function.

    Args:
        transform: The transform.
        fun: Any callable, or a static or class method that is being defined.

    Returns:
        The wrapped function; `fun` itself if the factory returned that.

    Raises:
        TypeError: It cannot be wrapped.
    """
    if isinstance(fun, (staticmethod, classmethod)):
        method = cast(Any, fun)
        return type(method)(wrap(transform, method.__func__))
    _check(transform, fun)
    made = transform.apply(fun)
    if made is fun:
        return fun
    if is_pytree(fun):
        return WrappedModule(fun, transform, _described(fun))
    return _dress(made, fun)


def _check(transform: Transform, fun: Any) -> None:
    name = transform.name
    if isinstance(fun, (property, functools.cached_property)):
        kind = type(cast(Any, fun)).__name__
        raise TypeError(f"{name}() wraps a function, got a {kind}: put @{name} below @{kind}")
    if getattr(cast(Any, type(fun)), "_jaxkit_link", None) is True:
        raise TypeError(
            f"{name}() wraps a function, got the transform {fun!r}: "
            f"to put one around the other, jaxkit.chain({fun!r}, {transform!r})"
        )
    if not callable(fun):
        raise TypeError(
            f"{name}() wraps a function, got {fun!r} of type {type(fun).__name__}: "
            "give options by keyword"
        )
    called: Any = None if inspect.isroutine(fun) else getattr(type(fun), "__call__", None)  # noqa: B004
    for each in (fun, called):
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            raise TypeError(
                f"{name}() wraps a function, got the coroutine function {_name(fun)!r}: "
                "wrap the plain function that it calls to compute"
            )


def _dress(made: Callable[..., Any], fun: Any) -> Callable[..., Any]:
    """Something that does what `made` does and looks as `fun`, neither of which is changed."""
    dressed = _look_like(fun, made, _forward(made))
    # What functools.wraps copied from `fun` lowers `fun`, not what is around it.
    if jitted.is_jitted(made) and cast(Any, made).lower != getattr(fun, "lower", None):
        whole = made
    elif jitted.is_jitted(fun):
        whole = jitted.jit_as(dressed, fun)
    else:
        return dressed
    return _look_like(fun, made, WrappedJit(made, whole, fun))


def _forward(made: Callable[..., Any]) -> FunctionType:
    def call(*args: Any, **kwargs: Any) -> Any:
        return made(*args, **kwargs)

    return cast(FunctionType, call)


def _look_like(fun: Any, made: Any, new: Any) -> Any:
    source = _described(fun)
    new.__dict__.update(jitted.own_attributes(fun))
    for name in functools.WRAPPER_ASSIGNMENTS:
        # Of a callable object these are its class's, and nothing about its arguments.
        if hasattr(source, name) and (name not in _OF_FUNCTIONS or inspect.isroutine(source)):
            value = getattr(source, name)
            setattr(new, name, dict(value) if name == "__annotations__" else value)
    new.__name__, new.__qualname__ = _name(fun), _name(fun, "__qualname__")
    new.__wrapped__ = fun
    signature = getattr(made, "__dict__", {}).get("__signature__") or _replacement_signature(fun)
    if signature is not None:
        new.__signature__ = signature
    return new


def _described(fun: Any) -> Any:
    """What has the name and the docstring: of a partial, the function in it."""
    while isinstance(fun, functools.partial):
        fun = cast(Any, fun).func
    return fun


def _name(fun: Any, attribute: str = "__name__") -> str:
    found = getattr(_described(fun), attribute, None) or getattr(fun, "__name__", None)
    return found if isinstance(found, str) else type(fun).__name__


def _replacement_signature(fun: Any) -> inspect.Signature | None:
    """That of `_forward` where following `__wrapped__` would find none, as of some builtins."""
    try:
        inspect.signature(fun)
    except (TypeError, ValueError):
        return inspect.signature(_forward(fun))
    return None
