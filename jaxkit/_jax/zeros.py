"""Zeros that may stand where a traced value will: a loop's carry must have its type exactly.

Read on JAX 0.10.2 and 0.12.0.1: under `jax.shard_map` a type says over which mesh axes a value
varies, as ``manual_axis_type.varying`` of what `jax.eval_shape` returns; with explicit sharding it
says how it is sharded. Where these names have moved, plain zeros remain.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def zeros(struct: Any, dtype: Any) -> jax.Array:
    """Zeros of a struct's shape, sharding and varying axes.

    Args:
        struct: Of `jax.eval_shape`.
        dtype: Theirs; a weak type of the struct is kept if it is the struct's own.
    """
    if struct.weak_type and dtype == struct.dtype:
        weak = {"f": 0.0, "c": 0j, "i": 0}.get(struct.dtype.kind)
        if weak is not None and jnp.asarray(weak).dtype == dtype:
            return _varying(jnp.broadcast_to(jnp.asarray(weak), struct.shape), struct)
    return _varying(jnp.zeros(struct.shape, dtype, out_sharding=explicit_sharding(struct)), struct)


def explicit_sharding(struct: Any) -> Any:
    sharding = getattr(struct, "sharding", None)
    types = getattr(getattr(sharding, "mesh", None), "axis_types", ())
    explicit = any(kind == jax.sharding.AxisType.Explicit for kind in types)
    return sharding if explicit else None


def _varying(array: jax.Array, struct: Any) -> jax.Array:
    axes = getattr(getattr(struct, "manual_axis_type", None), "varying", None)
    return jax.lax.pcast(array, tuple(sorted(axes)), to="varying") if axes else array
