"""What a compiler does to a program: how much of its work is left.

Public, though without a promise of stability: ``cost_analysis`` of `jax.stages.Lowered` and
`jax.stages.Compiled`. Read on JAX 0.10.2 and 0.12.0.1; a call's own lowering and executable are
found again in JAX's caches, so that asking compiles nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
from jax.extend import core as jex

from jaxkit._jax.compiled import _struct

_CALLS = frozenset({"jit", "pjit"})


def inner_programs(closed: Any) -> Iterator[Any]:
    """The jitted programs that a function calls itself, as closed jaxprs.

    Args:
        closed: The function's jaxpr.
    """
    for eqn in closed.eqns:
        if eqn.primitive.name in _CALLS and "jaxpr" in eqn.params:
            yield eqn.params["jaxpr"]


def lowered(closed: Any) -> Any:
    """A closed jaxpr, lowered for the default device."""
    called = jex.jaxpr_as_fun(closed)
    return jax.jit(lambda *args: called(*args)).lower(*(_struct(aval) for aval in closed.in_avals))


def removed(lowered: Any) -> float:
    """The share of a program's operations that are gone once it is compiled; 0 where not known."""
    before, after = _operations(lowered), _operations(lowered.compile())
    if before is None or after is None or not before:
        return 0.0
    return max(1 - after / before, 0.0)


def _operations(stage: Any) -> float | None:
    cost = stage.cost_analysis()
    if isinstance(cost, list):  # one for each program, in older versions
        cost = cost[0] if cost else None
    if cost is None:
        return None
    parts = (cost.get("flops", 0.0), cost.get("transcendentals", 0.0))
    return None if min(parts) < 0 else sum(parts)  # -1 is XLA's word for not knowing
