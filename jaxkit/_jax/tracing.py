"""Whether a trace ran the Python function or was answered by JAX's trace cache.

Read on JAX 0.10.2 and 0.12.0.1: ``partial_eval.trace_to_jaxpr`` is a cache with public-looking
statistics. JAX sends its trace event in both cases.
"""

from __future__ import annotations


def trace_misses() -> int | None:
    """How often the trace cache has missed so far in this process; None where it is not told."""
    try:
        from jax._src.interpreters import partial_eval

        return int(getattr(partial_eval.trace_to_jaxpr, "cache_info")().misses)  # noqa: B009
    except Exception:
        return None
