"""The configuration that is part of JAX's cache keys, read for the current thread and context.

Read on JAX 0.10.2 and 0.12.0.1: ``jax._src.config.trace_context()`` is the tuple that JAX itself
hashes, ``trace_context_names()`` its names. Without them, `jax.config.values` serves.
"""

from __future__ import annotations

import functools
from typing import Any

import jax

# Set by JAX itself around operations, and no choice of the user's.
_INTERNAL = frozenset({"eager_constant_folding", "jax_disable_jit", "layout_tracing_mode"})
_NICE = {
    "mesh_context_manager": "mesh (with mesh)",
    "abstract_mesh_context_manager": "mesh (jax.set_mesh)",
    "axis_env_state": "axis names",
}


def trace_context() -> tuple[Any, ...]:
    """The values in the key, in the order of `trace_context_names`; hashable as JAX needs it."""
    try:
        return _config().trace_context()
    except Exception:
        return tuple(v for _, v in sorted(jax.config.values.items()) if _plain(v))


def trace_context_names() -> tuple[str, ...]:
    """What the values of `trace_context` are called."""
    try:
        return tuple(_config().trace_context_names())
    except Exception:
        return tuple(k for k, v in sorted(jax.config.values.items()) if _plain(v))


@functools.cache
def _config() -> Any:
    from jax._src import config

    return config


def _plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str, type(None)))


def readable(name: str, value: Any) -> tuple[str, Any] | None:
    """A config entry as plain data; None for what JAX sets by itself."""
    if name in _INTERNAL:
        return None
    label = _NICE.get(name, name)
    if _plain(value):
        return label, value
    if name == "axis_env_state":
        sizes = getattr(value, "axis_sizes", None)
        return label, str(dict(sizes))[:200] if sizes else ""
    if getattr(value, "empty", False) is True or value == ():
        return label, ""
    return label, str(value)[:200]


def x64_enabled() -> bool:
    """Whether 64-bit types are on in this thread."""
    return bool(jax.config.jax_enable_x64)


def persistent_cache_on() -> bool:
    """Whether compilations are looked up in a cache directory."""
    directory = getattr(jax.config, "jax_compilation_cache_dir", None)
    return bool(directory) and bool(getattr(jax.config, "jax_enable_compilation_cache", True))
