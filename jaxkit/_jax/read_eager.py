"""Eager operations: a primitive run op by op, or a helper that JAX itself has jitted.

Read on JAX 0.10.2 and 0.12.0.1 (``jax/_src/dispatch.py``). Each is a small program of its own,
compiled for its operands' types and its parameters.
"""

from __future__ import annotations

from typing import Any

from jaxkit._jax.call import Anchor, Call
from jaxkit._jax.read_jit import argnums, options, source_of
from jaxkit._jax.stack import origin


def read(anchor: Anchor) -> Call | None:
    """The operation, where the function belongs to JAX and not to the user."""
    fun = anchor.fun
    if getattr(fun, "_apply_primitive", False):
        return Call(
            via="eager",
            fun=fun,
            args=anchor.args,
            kwargs=anchor.kwargs,
            eager=True,
            statics=_parameters(fun),
        )
    if fun is not None:
        code = getattr(_innermost(fun), "__code__", None)
        if code is None or origin(code.co_filename) != "jax":
            return None
        numbers, names = argnums(anchor.info)
        return Call(
            via="eager",
            fun=fun,
            args=anchor.args,
            kwargs=anchor.kwargs,
            signature=getattr(anchor.info, "fun_signature", None),
            static_argnums=numbers,
            static_argnames=names,
            eager=True,
            options={k: v for k, v in options(anchor.info).items() if not k.startswith("static")},
        )
    source = source_of(anchor.debug, anchor.name)
    if source is not None and origin(source[1]) == "jax":
        return Call(via="eager", fun=None, args=(), kwargs={}, eager=True, source=source)
    return None


def _innermost(fun: Any) -> Any:
    for _ in range(50):
        inner = getattr(fun, "__wrapped__", None) or getattr(fun, "func", None)
        if inner is None or not callable(inner):
            break
        fun = inner
    return fun


def _parameters(fun: Any) -> dict[str, Any]:
    """The primitive's parameters, which with the operands' types decide the program."""
    try:
        cells = dict(zip(fun.__code__.co_freevars, fun.__closure__ or (), strict=True))
        return dict(cells["params"].cell_contents)
    except (AttributeError, KeyError, ValueError, TypeError):
        return {}
