"""No clock under a trace: there, a call only writes down what will run later."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.core

from jaxkit._jax.jaxprs import name_of
from jaxkit._jax.tracing import trace_kind
from jaxkit.errors import UsageError

__all__ = ["check_function", "refuse_trace"]


def refuse_trace(tool: str, call: Any) -> None:
    """Raises if JAX is tracing.

    Args:
        tool: What was called, such as `jaxkit.benchmark`.
        call: Its arguments.

    Raises:
        UsageError: It is, and the seconds would be those of the trace.
    """
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(call))
    inside = trace_kind() or ("a transformation of JAX" if traced else None)
    if inside is not None:
        raise UsageError(
            f"{tool} was called inside of {inside}, while JAX is tracing: nothing runs there, and "
            "a clock measures the trace; call it outside, on the transformed function: "
            f"{tool}(jax.jit(f))(x)"
        )


def check_function(tool: str, fun: Callable[..., Any], name: str = "fun") -> None:
    """Raises if a function cannot be timed by calling it.

    Args:
        tool: What was called.
        fun: The function.
        name: Of the argument.

    Raises:
        TypeError: It is not callable, or a call would only make a coroutine.
    """
    if not callable(fun):
        raise TypeError(f"{name} must be a function, got {fun!r} of type {type(fun).__name__}")
    if inspect.iscoroutinefunction(fun):
        raise TypeError(
            f"{name} must be a function that does its work when it is called, got the coroutine "
            f"function {name_of(fun)!r}; time lambda: asyncio.run({name_of(fun)}()) instead of it"
        )
