"""What wrapping returns: the new behaviour with everything else of the function that was wrapped.

A plain function for a callable; `Wrapped`, a pytree, for a callable that is a pytree.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax

from jaxkit._jax import jitted

if TYPE_CHECKING:
    from jaxkit.transforms._transform import Transform

__all__ = ["Wrapped", "wrap"]


class Wrapped(eqx.Module):
    """A callable pytree, such as an Equinox module, seen through a transform.

    Its leaves are those of the module: `filter_jit`, `filter_grad` and `jax.tree.map` work on it
    as on the module, and wrapping again with equal options gives an equal tree.

    Args:
        fun: The module.
        transform: The transform, with its options.
    """

    fun: Any
    transform: Transform = eqx.field(static=True)

    @property
    def __wrapped__(self) -> Any:
        return self.fun

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Calls the module through the transform."""
        return _apply(self.transform, self.fun)(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method, where the wrapped thing would be one."""
        if instance is None or not hasattr(type(self.fun), "__get__"):
            return self
        return jax.tree_util.Partial(self, instance)

    def __getattr__(self, name: str) -> Any:
        """What only some callables have: a name, and `lower` where there is something to lower."""
        if name in ("__name__", "__qualname__"):
            return _name_of(self.fun)
        if name == "lower" and hasattr(self.fun, "lower"):
            return eqx.filter_jit(self).lower  # pyright: ignore[reportUnknownMemberType]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


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
        inner: Any = fun.__func__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return type(fun)(wrap(transform, inner))  # pyright: ignore[reportUnknownArgumentType]
    _check(transform, fun)
    if _is_pytree(fun):
        return eqx.module_update_wrapper(Wrapped(fun, transform))
    made = _apply(transform, fun)
    return made if made is fun else _dress(made, fun)


def _check(transform: Transform, fun: Any) -> None:
    name = transform.name
    if isinstance(fun, property):
        raise TypeError(f"{name}() wraps a function, got a property: put it below @property")
    if _is_ours(fun):
        raise TypeError(
            f"{name}() wraps a function, got the transform {fun!r}: "
            f"to put one around the other, chain({fun!r}, {transform!r})"
        )
    if not callable(fun):
        raise TypeError(
            f"{name}() wraps a function, got {fun!r} of type {type(fun).__name__}: "
            f"give options by keyword"
        )
    called = fun if inspect.isroutine(fun) else getattr(type(fun), "__call__", None)  # noqa: B004
    for each in (fun, called):
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            raise TypeError(
                f"{name}() wraps a function, got the coroutine function {_name_of(fun)!r}: "
                "wrap the function that it calls for its numbers"
            )


def _is_ours(fun: Any) -> bool:
    from jaxkit.transforms._chain import Chain
    from jaxkit.transforms._transform import Transform

    return isinstance(fun, (Transform, Chain))


def _is_pytree(fun: Any) -> bool:
    """Whether JAX sees children in it; those are not looked at, which for a model takes long."""
    below = jax.tree_util.tree_structure(fun, is_leaf=lambda node: node is not fun)
    return below != jax.tree_util.tree_structure(0)


def _apply(transform: Transform, fun: Any) -> Callable[..., Any]:
    made = transform.factory(fun, **transform.options)
    if not callable(made):
        raise TypeError(
            f"{transform.name}: its factory must return a function, "
            f"got {made!r} of type {type(made).__name__}"
        )
    return made


def _dress(made: Callable[..., Any], fun: Any) -> Callable[..., Any]:
    """A function that does what `made` does and looks as `fun`, neither of which is changed."""
    outside = _look_like(fun, made, _forward(made))
    if jitted.is_jitted(made):
        whole = made
    elif jitted.is_jitted(fun):
        inside = _look_like(fun, made, _forward(made))
        whole = jitted.jit_as(inside, fun)
    else:
        return outside
    outside.__dict__.update(jitted.stages(whole, fun))
    return outside


def _forward(made: Callable[..., Any]) -> FunctionType:
    def call(*args: Any, **kwargs: Any) -> Any:
        return made(*args, **kwargs)

    return call


def _look_like(fun: Any, made: Any, new: FunctionType) -> FunctionType:
    source = _described(fun)
    new.__dict__.update(jitted.own_attributes(fun))
    for name in functools.WRAPPER_ASSIGNMENTS:
        if name not in ("__name__", "__qualname__") and hasattr(source, name):
            setattr(new, name, getattr(source, name))
    new.__name__, new.__qualname__ = _name_of(fun), _name_of(fun, "__qualname__")
    new.__wrapped__ = fun  # type: ignore[attr-defined]
    signature = getattr(made, "__dict__", {}).get("__signature__") or _signature(fun)
    if signature is not None:
        new.__signature__ = signature  # type: ignore[attr-defined]
    return new


def _described(fun: Any) -> Any:
    """What has the name and the docstring: of a partial, the function in it."""
    while isinstance(fun, functools.partial):
        fun = fun.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return fun


def _name_of(fun: Any, attribute: str = "__name__") -> str:
    found = getattr(_described(fun), attribute, None) or getattr(fun, "__name__", None)
    return found if isinstance(found, str) else type(fun).__name__


def _signature(fun: Any) -> inspect.Signature | None:
    """A signature where following `__wrapped__` would find none, as of a builtin."""
    try:
        inspect.signature(fun)
    except (TypeError, ValueError):
        return inspect.signature(lambda *args, **kwargs: None)  # pyright: ignore[reportUnknownLambdaType]
    return None
