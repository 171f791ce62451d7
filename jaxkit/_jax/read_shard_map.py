"""`jax.shard_map` called outside jit, which compiles its pieces anew at each call.

Read on JAX 0.10.2 and 0.12.0.1 (``jax/_src/shard_map.py``).
"""

from __future__ import annotations

from jaxkit._jax.call import Anchor, Call, local


def read(anchor: Anchor) -> Call | None:
    """The call of ``wrapped(*args)`` around ``_shard_map_impl``."""
    tags = [entry.tag for entry in anchor.outer]
    if "shard_map_impl" not in tags:
        return None
    index = tags.index("shard_map_impl")
    for entry in anchor.outer[index:]:
        if entry.tag == "shard_map":
            fun = local(entry.frame, "f")
            if fun is None:
                return None
            return Call(
                via="shard_map", fun=fun, args=tuple(local(entry.frame, "args", ())), kwargs={}
            )
    return None
