"""What error a program may have: by the coarsest format that it computes in."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.nesting import nested
from jaxkit.numerics.precision.wide import MOVES, OPAQUE, is_float

__all__ = ["coarsest", "eps_of", "floor_of", "rtol_of", "tiny_of"]


def eps_of(dtype: Any) -> float:
    """The spacing of a dtype's numbers at 1."""
    return float(jnp.finfo(dtype).eps)


def tiny_of(dtype: Any) -> float:
    """The least magnitude that a dtype has with all of its digits."""
    return float(jnp.finfo(dtype).smallest_normal)


def floor_of(dtype: Any, rtol: float) -> float:
    """The magnitude below which an element by itself does not matter.

    What is less than `tiny_of` may be flushed to zero, and to half of the elements that happens
    in many a softmax; float16 and narrower formats count on in smaller steps.
    """
    tiny = tiny_of(dtype)
    return tiny / max(rtol, 1e-6) if tiny < 1e-30 else tiny


def rtol_of(dtype: Any) -> float:
    """What is allowed where nothing is said: two thirds of the digits are good."""
    return eps_of(dtype) ** (2 / 3)


def coarsest(closed: Any, dtype: Any) -> Any:
    """The dtype with the fewest digits among those that a program computes in.

    Args:
        closed: The program.
        dtype: That of its result.
    """
    stack, seen = [closed], set[int]()
    while stack:
        jaxpr = jaxprs.open_jaxpr(stack.pop())
        if id(jaxpr) in seen:
            continue
        seen.add(id(jaxpr))
        for eqn in jaxpr.eqns:
            inner = [each.closed for each in nested(eqn) if each.role != "combiner"]
            stack += inner
            if inner or eqn.primitive.name in MOVES or eqn.primitive.name in OPAQUE:
                continue
            for var in eqn.outvars:
                if is_float(var.aval) and eps_of(var.aval.dtype) > eps_of(dtype):
                    dtype = var.aval.dtype
    return dtype
