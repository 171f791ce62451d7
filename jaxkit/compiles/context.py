"""The configuration that is part of JAX's cache keys, as far as it has changed while watching."""

from __future__ import annotations

from typing import Any

from jaxkit._jax import config as jax_config

_MAX_KNOWN = 500


class Contexts:
    """Configurations met so far, each read once and then known by JAX's own key for it."""

    def __init__(self) -> None:
        self._baseline: dict[str, Any] | None = None
        self._known: dict[Any, dict[str, Any]] = {}

    def clear(self) -> None:
        """Forgets all of them; the next one read is what the others are compared with."""
        self._baseline = None
        self._known.clear()

    def now(self) -> dict[str, Any]:
        """What differs from the first configuration read, and always ``jax_enable_x64``."""
        context = jax_config.trace_context()
        known = self._known.get(context)
        if known is None:
            names = jax_config.trace_context_names()
            readable = map(jax_config.readable, names, context)
            values = dict(item for item in readable if item is not None)
            if self._baseline is None:
                self._baseline = values
            baseline = self._baseline
            changed = {n: v for n, v in values.items() if baseline.get(n) != v}
            changed["jax_enable_x64"] = jax_config.x64_enabled()
            if len(self._known) > _MAX_KNOWN:
                self._known.clear()
            known = self._known[context] = changed
        return known
