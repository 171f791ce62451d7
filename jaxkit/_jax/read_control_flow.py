"""Eager `jax.lax` control flow: the body the user gave, and a static loop bound.

Read on JAX 0.10.2 and 0.12.0.1 (``jax/_src/lax/control_flow``). Outside jit each of these is one
program, keyed on the traced body; a fresh body function is a fresh program.
"""

from __future__ import annotations

from typing import Any

import jax

from jaxkit._jax.call import Anchor, Call, local
from jaxkit._jax.read_jit import source_of
from jaxkit._jax.stack import Entry

_PRIMITIVES = frozenset({"scan", "while", "cond"})
_BODIES = {
    "control_scan": ("f",),
    "control_map": ("f",),
    "control_while_loop": ("cond_fun", "body_fun"),
    "control_fori_loop": ("body_fun",),
    "control_cond": ("true_fun", "false_fun"),
    "control_switch": ("branches",),
}
_DATA = {
    "control_scan": ("init", "xs"),
    "control_map": ("xs",),
    "control_while_loop": ("init_val",),
    "control_fori_loop": ("init_val",),
    "control_cond": ("operands",),
    "control_switch": ("operands",),
}
_STATIC = {
    "control_scan": ("length", "reverse", "unroll"),
    "control_fori_loop": ("lower", "upper", "unroll"),
    "control_map": ("batch_size",),
}


def read(anchor: Anchor) -> Call | None:
    """The call of the outermost control-flow function between the user and the primitive."""
    if anchor.name not in _PRIMITIVES:
        return None
    if not getattr(anchor.fun, "_apply_primitive", False) and anchor.fun is not None:
        return None
    found = None
    for entry in anchor.outer:
        if entry.tag in _BODIES:
            found = entry
        elif entry.tag in ("cache_miss", "equinox", "nnx"):
            break
    if found is None:
        return _derived(anchor)
    data = {name: _given(found, name) for name in _DATA[found.tag]}
    return Call(
        via="eager",
        fun=anchor.fun,
        args=(),
        kwargs={},
        eager=True,
        bodies=_bodies(found),
        statics=_statics(found, data),
        rewraps="lax.map" if found.tag == "control_map" else None,
        extra=tuple(data.items()),
    )


def _given(entry: Entry, name: str) -> Any:
    """An argument, also where JAX has by then replaced it by its flattened form."""
    value = local(entry.frame, name)
    flat = local(entry.frame, f"{name}_flat")
    if value is not None or flat is None:
        return value
    return jax.tree_util.tree_unflatten(flat.tree, list(flat))


def _bodies(entry: Entry) -> dict[str, Any]:
    bodies: dict[str, Any] = {}
    for name in _BODIES[entry.tag]:
        value = local(entry.frame, name)
        if name == "branches":
            bodies.update({f"branches[{i}]": body for i, body in enumerate(value or ())})
        elif value is not None:
            bodies[name] = value
    return bodies


def _statics(entry: Entry, data: dict[str, Any]) -> dict[str, Any]:
    """Numbers that are part of the program; a length is the user's only where there is no data."""
    found: dict[str, Any] = {}
    for name in _STATIC.get(entry.tag, ()):
        value = local(entry.frame, name)
        given = name != "length" or data.get("xs") is None
        if given and isinstance(value, (int, bool)):
            found[name] = value
    return found


def _derived(anchor: Anchor) -> Call | None:
    """Control flow that a derivative taken outside jit runs: it is keyed on a jaxpr made anew."""
    try:
        cells = dict(zip(anchor.fun.__code__.co_freevars, anchor.fun.__closure__, strict=True))
        params = cells["params"].cell_contents
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    jaxpr = params.get("jaxpr") or params.get("body_jaxpr") or next(iter(params["branches"]), None)
    debug = getattr(getattr(jaxpr, "jaxpr", jaxpr), "debug_info", None)
    source = source_of(debug, anchor.name)
    return Call(
        via="eager",
        fun=anchor.fun,
        args=anchor.args,
        kwargs={},
        eager=True,
        source=source,
        derived=jaxpr,
        role=f"derived {len(anchor.args)}",
    )
