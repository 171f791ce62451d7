"""Over which axes of a shard_map a value differs from device to device.

Read on JAX 0.10.2 and 0.12.0.1: a type has `mat.varying`, earlier releases have `vma`. It is empty
under `check_vma=False`, where JAX keeps no account, and so says nothing there.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import jax

__all__ = ["differing_axes"]


def differing_axes(value: Any, names: Sequence[Hashable]) -> tuple[Hashable, ...]:
    """Those of the named axes along which the devices' values may differ.

    All of them where JAX keeps no account: `check_vma=False`, `vmap` and `pmap` with an axis name.
    """
    return tuple(
        name
        for name in names
        if name not in _varying(jax.lax.axis_index(name)) or name in _varying(value)
    )


def _varying(value: Any) -> frozenset[Any]:
    """The axes that JAX says a value varies over."""
    kind = jax.typeof(value)
    account = getattr(kind, "mat", None)
    return frozenset(getattr(account, "varying", None) or getattr(kind, "vma", None) or ())
