"""`jax.shard_map` called outside jit, which compiles its pieces anew at each call.

Read on JAX 0.10.2 and 0.12.0.1 (``jax/_src/shard_map.py``).
"""

from __future__ import annotations

from typing import Any

from jaxkit._jax.call import Anchor, Call, local
from jaxkit._jax.values import array_facts


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
                via="shard_map",
                fun=fun,
                args=tuple(local(entry.frame, "args", ())),
                kwargs={},
                role=_piece(anchor),
            )
    return None


def _piece(anchor: Anchor) -> str:
    """Which of the call's programs: splitting an argument, an operation, joining an output."""
    words = [_name(anchor.fun)]
    words += [_name(part) for part in getattr(anchor.fun, "args", ()) or ()]
    types = (array_facts(value) for value in anchor.operands or anchor.args)
    words += [facts.type for facts in types if facts is not None]
    return f"shard_map {' '.join(word for word in words if word)}"[:300]


def _name(part: Any) -> str:
    inner = getattr(part, "f", None) or getattr(part, "func", None) or part
    name = getattr(inner, "__name__", None) or getattr(inner, "name", None)
    return name if isinstance(name, str) else ""
