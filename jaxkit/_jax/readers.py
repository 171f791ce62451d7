"""The list of frame readers: the first that recognises an event answers for it."""

from __future__ import annotations

from jaxkit._jax import (
    read_control_flow,
    read_eager,
    read_equinox,
    read_jit,
    read_nnx,
    read_pmap,
    read_shard_map,
)
from jaxkit._jax.call import Anchor, Call, Reader

READERS: tuple[Reader, ...] = (
    read_shard_map.read,
    read_control_flow.read,
    read_equinox.read,
    read_nnx.read,
    read_pmap.read,
    read_eager.read,
    read_jit.read,
)


def read(anchor: Anchor) -> tuple[Call | None, int]:
    """The user's call behind an anchor, and how many readers failed on the way.

    A reader that raises is passed over: JAX or a library has changed under it.
    """
    failures = 0
    for reader in READERS:
        try:
            call = reader(anchor)
        except Exception:
            failures += 1
            continue
        if call is not None:
            return call, failures
    return None, failures
