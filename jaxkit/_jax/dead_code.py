"""A program without what some of its results do not depend on.

Read on JAX 0.10.2 and 0.12.0.1: ``partial_eval.dce_jaxpr(jaxpr, used, instantiate)`` gives the
smaller jaxpr and which inputs it still uses. Without it, the program is what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxkit._jax.jaxprs import constants, open_jaxpr


def only_for(closed: Any, used: Sequence[bool]) -> Any:
    """The closed jaxpr that gives some of the results, of the same inputs.

    Args:
        closed: The jaxpr.
        used: For each result whether it is wanted.
    """
    from jax.extend import core as jex

    kept = [i for i, wanted in enumerate(used) if wanted]
    jaxpr = open_jaxpr(closed)
    try:
        from jax._src.interpreters import partial_eval

        smaller, _ = partial_eval.dce_jaxpr(jaxpr, list(used), instantiate=True)
    except Exception:  # moved: all of it is kept
        smaller = jaxpr.replace(outvars=[jaxpr.outvars[i] for i in kept])
    closing: Any = getattr(jex, "ClosedJaxpr", jex.Jaxpr)
    return smaller if closing is jex.Jaxpr else closing(smaller, constants(closed))
