"""Eager `jax.lax` control flow: the body the user gave, and a static loop bound.

Read on JAX 0.10.2 and 0.12.0.1 (``jax/_src/lax/control_flow``). Outside jit each of these is one
program, keyed on the traced body; a fresh body function is a fresh program.
"""

from __future__ import annotations

from typing import Any

from jaxkit._jax.call import Anchor, Call, local

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
        return None
    bodies: dict[str, Any] = {}
    for name in _BODIES[found.tag]:
        value = local(found.frame, name)
        if name == "branches":
            bodies.update({f"branches[{i}]": body for i, body in enumerate(value or ())})
        elif value is not None:
            bodies[name] = value
    statics: dict[str, Any] = {}
    for name in _STATIC.get(found.tag, ()):
        value = local(found.frame, name)
        if isinstance(value, (int, bool)):
            statics[name] = value
    data = {name: local(found.frame, name) for name in _DATA[found.tag]}
    return Call(
        via="eager",
        fun=anchor.fun,
        args=(),
        kwargs={},
        eager=True,
        bodies=bodies,
        statics=statics,
        rewraps="lax.map" if found.tag == "control_map" else None,
        extra=tuple(data.items()),
    )
