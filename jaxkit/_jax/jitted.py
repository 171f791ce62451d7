"""Jitted functions from outside: which callables are some, and the same jit around another one.

Read on JAX 0.10.2 and 0.12.0.1: a jitted function keeps its options as ``_jit_info``, of which
`read_jit.argnums` knows the parts. Where that has moved, nothing counts as static.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import jax

from jaxkit._jax import read_jit

_STAGES = ("lower", "trace", "eval_shape", "clear_cache")
_PRIVATE = ("_fun", "_jit_info")  # in a jitted function's __dict__; a copy would pass for one


def is_jitted(fun: Any) -> bool:
    """Whether it has the methods of what `jax.jit` returns."""
    return all(callable(getattr(fun, name, None)) for name in _STAGES)


def own_attributes(fun: Any) -> dict[str, Any]:
    """What a user has put on a function; nothing for other objects, whose attributes are theirs."""
    if isinstance(fun, FunctionType) or is_jitted(fun):
        return {name: value for name, value in vars(fun).items() if name not in _PRIVATE}
    return {}


def jit_as(fun: Callable[..., Any], other: Any) -> Any:
    """`fun` under `jax.jit` with what is static in `other`, a jitted function.

    Args:
        fun: A function; its parameters may be others than those of `other`.
        other: The jitted function.
    """
    numbers, names = static_arguments(other)
    if _parameters(fun) == _parameters(other):
        return jax.jit(fun, static_argnums=numbers, static_argnames=names)
    known = _parameters(other)
    wanted = {*names, *(known[n] for n in numbers if -len(known) <= n < len(known))}
    return jax.jit(fun, static_argnames=tuple(n for n in _parameters(fun) if n in wanted))


def static_arguments(fun: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Numbers and names of the static arguments of a jitted function, or of one that holds it."""
    info = getattr(fun, "_jit_info", None)
    if info is None:  # ours: a function with the bound methods of a jitted one
        info = getattr(getattr(getattr(fun, "lower", None), "__self__", None), "_jit_info", None)
    return read_jit.argnums(info)


def stages(whole: Any, inner: Any) -> dict[str, Any]:
    """The methods of a jitted function, to put on another one.

    Args:
        whole: The jitted function whose they are.
        inner: The one inside of it; its cache is cleared as well.
    """
    methods = {name: getattr(whole, name) for name in _STAGES}

    def clear_cache() -> None:
        whole.clear_cache()
        if is_jitted(inner):
            inner.clear_cache()

    return {**methods, "clear_cache": clear_cache}


def _parameters(fun: Any) -> list[str]:
    try:
        return list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        return []
