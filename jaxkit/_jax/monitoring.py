"""Being told when JAX begins and ends a trace, a lowering or a compilation.

`jax.monitoring` is public: a scalar listener hears the begin, a duration listener the end, both
on the thread that compiles. Only the question whether we are still registered needs a private
list (read on JAX 0.10.2 and 0.12.0.1), because `clear_event_listeners` tells nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.monitoring

STAGES = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
}
CACHE_HIT = "/jax/compilation_cache/cache_hits"

Begin = Callable[..., None]


class Listeners:
    """Our three listeners, registered together and taken away together."""

    def __init__(self, *, begin: Begin, end: Begin, event: Begin) -> None:
        self._begin, self._end, self._event = begin, end, event
        self.on = False

    def register(self) -> None:
        if self.on:
            return
        jax.monitoring.register_scalar_listener(self._begin)
        jax.monitoring.register_event_duration_secs_listener(self._end)
        jax.monitoring.register_event_listener(self._event)
        self.on = True

    def unregister(self) -> None:
        """Takes away what is still there; what the program has cleared is no error."""
        self.on = False
        for remove, listener in (
            (jax.monitoring.unregister_scalar_listener, self._begin),
            (jax.monitoring.unregister_event_duration_listener, self._end),
            (jax.monitoring.unregister_event_listener, self._event),
        ):
            try:
                remove(listener)
            except (AssertionError, ValueError, KeyError):
                continue

    def restore(self) -> bool:
        """Registers again what the program has cleared away; whether anything was missing."""
        missing = False
        for names, listener, register in (
            ("_scalar_listeners", self._begin, jax.monitoring.register_scalar_listener),
            (
                "_event_duration_secs_listeners",
                self._end,
                jax.monitoring.register_event_duration_secs_listener,
            ),
            ("_event_listeners", self._event, jax.monitoring.register_event_listener),
        ):
            if listener not in _registered(names, listener):
                register(listener)
                missing = True
        return missing


def _registered(name: str, default: Any) -> Any:
    """JAX's list of listeners; where it cannot be read, nothing counts as missing."""
    try:
        from jax._src import monitoring

        return getattr(monitoring, name)
    except Exception:
        return (default,)
