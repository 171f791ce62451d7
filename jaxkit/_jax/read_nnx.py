"""Flax NNX `nnx.jit`: the user's function and graph arguments, before NNX splits them.

Read on Flax 0.12.8 and 0.12.12 (``flax/nnx/transforms/compilation.py``).
"""

from __future__ import annotations

from jaxkit._jax.call import Anchor, Call, local
from jaxkit._jax.read_jit import argnums, options


def read(anchor: Anchor) -> Call | None:
    """The call of ``JitWrapped.__call__(self, *args, **kwargs)`` just outside the jit."""
    entry = next((e for e in anchor.outer if e.tag in ("nnx", "cache_miss", "equinox")), None)
    if entry is None or entry.tag != "nnx" or anchor.fun is None:
        return None
    wrapper = local(entry.frame, "self")
    fun = getattr(wrapper, "fun", None) or getattr(wrapper, "__wrapped__", None)
    args, kwargs = local(entry.frame, "args"), local(entry.frame, "kwargs")
    if fun is None or args is None:
        return None
    numbers, names = argnums(anchor.info)
    found = options(anchor.info)
    for name in ("in_shardings", "out_shardings"):
        found.pop(name, None)
    return Call(
        via="nnx.jit",
        fun=fun,
        args=tuple(args),
        kwargs=dict(kwargs or {}),
        static_argnums=numbers,
        static_argnames=names,
        options=found,
    )
