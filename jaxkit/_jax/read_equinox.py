"""`equinox.filter_jit`: the user's function and arguments, before Equinox splits them.

Read on Equinox 0.13.8 (``equinox/_jit.py``), with JAX 0.10.2 and 0.12.0.1. All functions of one
name share one `jax.jit`, so that what JAX sees says nothing about the user's function.
"""

from __future__ import annotations

import inspect
from typing import Any

from jaxkit._jax.call import Anchor, Call, local
from jaxkit._jax.read_jit import options


def read(anchor: Anchor) -> Call | None:
    """The call of ``_call(jit_wrapper, is_lower, args, kwargs)`` just outside the jit."""
    entry = next((e for e in anchor.outer if e.tag in ("equinox", "cache_miss", "nnx")), None)
    if entry is None or entry.tag != "equinox" or anchor.fun is None:
        return None
    wrapper = local(entry.frame, "jit_wrapper")
    call = of_wrapper(
        wrapper, tuple(local(entry.frame, "args", ())), dict(local(entry.frame, "kwargs", {}))
    )
    if call is not None:
        call.via = "aot" if anchor.via == "aot" else "filter_jit"
        call.options = {**_users(options(anchor.info)), **call.options}
    return call


def of_wrapper(wrapper: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    """The call of what `equinox.filter_jit` returned."""
    fun = getattr(wrapper, "__wrapped__", None)
    if fun is None:
        return None
    donated = [name for name in ("donate_first", "donate_rest") if getattr(wrapper, name, False)]
    signature = getattr(wrapper, "_signature", None)
    return Call(
        via="filter_jit",
        fun=fun,
        args=args,
        kwargs=kwargs,
        signature=signature if isinstance(signature, inspect.Signature) else None,
        leaf_rule="filter",
        options={"donate": donated} if donated else {},
    )


def _users(found: dict[str, Any]) -> dict[str, Any]:
    """Without the options that Equinox gives to `jax.jit` itself."""
    own = ("static_argnums", "static_argnames", "donate_argnums", "donate_argnames")
    return {name: value for name, value in found.items() if name not in own}
