"""One part of a program before another.

`lax.optimization_barrier` says so, and XLA of jaxlib 0.12 keeps to it. That of 0.10 takes the
barriers out before it fuses and schedules: both parts are then computed beside each other, and need
the memory of both (38 MB instead of 28 for a step of a transformer, read off
``compiled.memory_analysis()`` on 0.10.2 and 0.12.0.1). There a condition on the first part's
results, which always holds but which XLA does not see through, chooses the second part's inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit._jax.zeros import explicit_sharding

__all__ = ["KEEPS_BARRIERS", "after"]

# Whether the XLA of this jaxlib fuses and schedules by barriers.
KEEPS_BARRIERS = jax.__version_info__ >= (0, 12)


def after(results: Sequence[Any], values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Both as they are; what is computed of `values` comes after the results.

    Args:
        results: What is to be computed before.
        values: The inputs of what is to be computed afterwards.
    """
    results, values = lax.optimization_barrier((results, values))
    if KEEPS_BARRIERS:
        return results, values
    known = [_first(x) for x in results if _is_plain(x) and math.prod(jnp.shape(x))]
    if not known:
        return results, values
    total = jnp.sum(jnp.stack(known))
    # A conditional, which is not fused: what is behind it would be computed once for each value.
    done = lax.cond(jnp.isnan(total) | (total >= -jnp.inf), lambda: True, lambda: False)
    return results, [_chosen(done, x) if _is_plain(x) else x for x in values]


def _is_plain(value: Any) -> bool:
    """Whether it is an array of numbers that XLA distributes as it likes."""
    kind = jax.typeof(value)
    number = jnp.issubdtype(kind.dtype, jnp.number) or jnp.issubdtype(kind.dtype, jnp.bool_)
    return number and explicit_sharding(kind) is None


def _first(value: Any) -> Any:
    one = lax.slice(value, [0] * value.ndim, [1] * value.ndim).reshape(())
    return one.real.astype(jnp.float32)


def _chosen(done: Any, value: Any) -> Any:
    return lax.select(jnp.broadcast_to(done, value.shape), value, jnp.zeros_like(value))
