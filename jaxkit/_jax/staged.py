"""Whether a value is being traced into a program, rather than differentiated or batched eagerly.

Read on JAX 0.10.2 and 0.12.0.1: what `jit`, `scan` and their like trace with is a ``JitTracer``
(``DynamicJaxprTracer`` before); the tracers of derivatives and of batches hold one, or a value.
"""

from __future__ import annotations

from typing import Any

_STAGED = frozenset({"JitTracer", "DynamicJaxprTracer"})
_HOLDS = {"JVPTracer": "primal", "LinearizeTracer": "primal", "BatchTracer": "val"}


def is_staged(value: Any) -> bool:
    """Whether it stands for a value that a program will have when it runs."""
    for _ in range(50):
        name = type(value).__name__
        if name in _STAGED:
            return True
        if name not in _HOLDS:
            return False
        value = getattr(value, _HOLDS[name], None)
    return False
