"""A jitted function and arguments for it, as the frame readers would see them in a call.

Read on JAX 0.10.2 and 0.12.0.1 (``jax/_src/pjit.py``) and Equinox 0.13.8 (``equinox/_jit.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxkit._jax import read_equinox, read_jit
from jaxkit._jax.call import Anchor, Call


def read(fun: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Call, Anchor] | None:
    """The call that ``fun(*args, **kwargs)`` would be; None where `fun` is jitted in no known way.

    Args:
      fun: what `jax.jit` or `equinox.filter_jit` returned.
      args: positional arguments.
      kwargs: keyword arguments.
    """
    info = getattr(fun, "_jit_info", None)
    inner = getattr(fun, "_fun", None)
    if info is not None and callable(inner):
        name = getattr(inner, "__name__", None) or type(inner).__name__
        anchor = Anchor((0, "asked"), name, inner, args, kwargs, info)
        call = read_jit.read(anchor)
        return None if call is None else (call, anchor)
    if type(fun).__module__.partition(".")[0] == "equinox" and hasattr(fun, "filter_warning"):
        call = read_equinox.of_wrapper(fun, args, dict(kwargs))
        if call is not None:
            name = getattr(call.fun, "__name__", None) or type(call.fun).__name__
            return call, Anchor((0, "asked"), name, call.fun, args, kwargs)
    return None
