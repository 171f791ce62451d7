"""What is being traced, and whether a trace was answered by JAX's trace cache.

Read on JAX 0.10.2 and 0.12.0.1: ``partial_eval.trace_to_jaxpr`` is a cache with public-looking
statistics. JAX sends its trace event in both cases.
"""

from __future__ import annotations

from typing import Any


def trace_misses() -> int | None:
    """How often the trace cache has missed so far in this process; None where it is not told."""
    try:
        from jax._src.interpreters import partial_eval

        return int(getattr(partial_eval.trace_to_jaxpr, "cache_info")().misses)  # noqa: B009
    except Exception:
        return None


def trace_kind() -> str | None:
    """What traces this code, in a word; None where values are computed. 70 ns, so for each span.

    Read on JAX 0.10.2 and 0.12.0.1: ``core.trace_ctx.trace`` is ``core.eval_trace`` where nothing
    is traced. Where these have moved, an array tells, in some microseconds.
    """
    trace = context.trace
    if trace is computing or trace is None:
        return None
    name = type(trace).__name__
    return _KINDS.get(name, "a transformation of JAX")


_KINDS = {
    "BatchTrace": "jax.vmap",
    "JVPTrace": "jax.jvp or jax.grad",
    "LinearizeTrace": "jax.grad",
    "ShardMapTrace": "jax.shard_map",
    "DynamicJaxprTrace": "jax.jit or another transformation that makes a program",
}


class _Unknown:
    """In the place of JAX's own, where that has moved."""

    @property
    def trace(self) -> Any:
        import jax

        return getattr(jax.lax.full((), 0), "_trace", None)


def _find_context() -> tuple[Any, Any]:
    try:
        from jax._src import core

        return (core.trace_ctx, core.eval_trace) if hasattr(core.trace_ctx, "trace") else _UNKNOWN
    except Exception:
        return _UNKNOWN


_UNKNOWN = _Unknown(), None

# Values are computed where `context.trace is computing`.
context, computing = _find_context()
