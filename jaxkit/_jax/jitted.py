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
    mine, others = _parameters(fun), _parameters(other)
    if mine == others:
        return jax.jit(fun, static_argnums=numbers, static_argnames=names)
    wanted = {*names, *(others[n] for n in numbers if n < len(others))}
    return jax.jit(fun, static_argnames=tuple(name for name in mine if name in wanted))


def static_arguments(fun: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Numbers and names of the static arguments of a jitted function, or of one that holds it."""
    info = getattr(fun, "_jit_info", None)
    if info is None:  # of ours, whose method is that of the jitted function in it
        whole = getattr(getattr(fun, "lower", None), "__self__", None)
        info = getattr(whole, "_jit_info", None)
    return read_jit.argnums(info)


def _parameters(fun: Any) -> list[str]:
    try:
        return list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        return []
