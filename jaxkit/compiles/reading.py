"""Reading a call while its arguments are on the stack, into data that keeps none of them."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

from jaxkit._jax import readers
from jaxkit._jax.call import Anchor, Call
from jaxkit._jax.read_jit import plain_name, source_of
from jaxkit._jax.stack import Site
from jaxkit.compiles.event import Function, Signature
from jaxkit.compiles.function import combine_bodies, describe_function
from jaxkit.compiles.identity import TOKENS, digest
from jaxkit.compiles.pending import Pending
from jaxkit.compiles.signature import build, is_pytree

_MAX_NAME = 200


def read_call(
    fun_name: str,
    anchor: Anchor | None,
    *,
    key: tuple[Any, ...] | None,
    site: Site | None,
    by_library: bool,
    layouts: bool,
    config: dict[str, Any],
) -> tuple[Pending, int]:
    """A compilation that has just begun, and how much of it could not be read.

    Args:
      fun_name: JAX's name for it.
      anchor: the jit-level call, if one was found on the stack.
      key: what later stages of it will share.
      site: the user's line.
      by_library: whether a library called JAX there, as when a layer makes its parameters.
      layouts: whether memory layouts can be the reason, as they can where nothing was traced.
      config: the configuration in JAX's keys.
    """
    name = plain_name(fun_name)[:_MAX_NAME]
    call: Call | None = None
    function, signature, unread = Function(name), Signature(complete=False), 0
    if anchor is not None:
        call, unread = readers.read(anchor)
    if call is not None and anchor is not None:
        try:
            function = function_of(call, name, site, by_library=by_library)
            if function.name != name:
                function = dataclasses.replace(function, jax_name=name)
            signature = build(call, anchor, layouts=layouts)
        except Exception:
            unread += 1
    else:
        unread += 1
        source = source_of(anchor.debug, name) if anchor is not None else None
        if source is not None:
            function = Function(source[0], file=source[1], line=source[2])
    pending = Pending(
        key=key,
        name=name,
        time=time.time(),
        thread=thread_name(),
        function=function,
        call_site=site,
        via=call.via if call is not None else "jit",
        signature=signature,
        options=call.options if call is not None else {},
        config=config,
        role=(call.role if call else None) or (anchor.role if anchor else ""),
        aot_key=anchor.aot_key if anchor is not None else None,
    )
    return pending, unread


def thread_name() -> str:
    """This thread's name; `threading.current_thread` would invent a thread for a foreign one."""
    ident = threading.get_ident()
    for thread in threading.enumerate():
        if thread.ident == ident:
            return thread.name
    return f"thread {ident}"


def function_of(call: Call, name: str, site: Site | None, *, by_library: bool) -> Function:
    """The user's function behind a call; an eager operation stands at the line that called it."""
    if call.eager:
        place = (site.file, site.line) if site is not None else ("", 0)
        operation = Function(
            name,
            name,
            "jax",
            *place,
            id=name,
            inner_id=name,
            wrappers=("library",) if by_library else (),
        )
        if call.derived is not None:
            token = TOKENS.token(call.derived)
            body, *where = call.source or ("its body", "", 0)
            return dataclasses.replace(
                operation,
                id=token,
                inner_id=token,
                traced=body,
                code=digest(name, body, *map(str, where)),
            )
        if call.bodies:
            return combine_bodies(dict(call.bodies), operation, call.rewraps)
        return operation
    if call.fun is None and call.source is not None:
        return Function(call.source[0], file=call.source[1], line=call.source[2])
    by_value = call.leaf_rule == "filter" and is_pytree(call.fun)
    return describe_function(call.fun, name, by_value=by_value)
