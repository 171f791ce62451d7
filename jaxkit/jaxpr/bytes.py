"""What an equation reads and writes, as if each were run by itself.

Operands and results, in bytes. Of an array that is sliced or indexed the part that is read, or the
part that is written in place; a reshape moves nothing. The compiler fuses equations, so that much
of it stays in registers: the figure is what a program without fusion would move.
"""

from __future__ import annotations

from typing import Any

from jaxkit._jax.jaxprs import is_literal
from jaxkit.jaxpr.sizes import nbytes

# Another name, or another shape, of what is there already.
ALIASES = frozenset(
    """reshape squeeze stop_gradient name optimization_barrier pvary pbroadcast preduced
    vary_unreduced_cast sharding_constraint random_wrap random_unwrap create_token after_all new_ref
    freeze free_ref axis_index platform_index program_id num_programs multiple_of
    bitcast_convert_type""".split()
)
_READ_IN_PART = frozenset("slice dynamic_slice gather split unstack get".split())
_WRITTEN_IN_PART = {
    "dynamic_update_slice": 1,
    "scatter": 2,
    "scatter-add": 2,
    "scatter-sub": 2,
    "scatter-mul": 2,
    "scatter-min": 2,
    "scatter-max": 2,
    "swap": 1,
    "addupdate": 1,
}


def bytes_of(eqn: Any) -> int:
    """Bytes that one equation moves, programs that it holds not counted.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> [eqn] = jax.make_jaxpr(jnp.add)(jnp.ones(8), jnp.ones(8)).eqns
      >>> bytes_of(eqn)
      96

    Args:
      eqn: an equation of a jaxpr.
    """
    name = eqn.primitive.name
    if name in ALIASES:
        return 0
    results = sum(nbytes(var.aval) for var in eqn.outvars)
    if name in _READ_IN_PART:
        return 2 * results + sum(nbytes(var.aval) for var in eqn.invars[1:])
    part = _WRITTEN_IN_PART.get(name)
    if part is not None and len(eqn.invars) > part:
        update = nbytes(eqn.invars[part].aval)
        others = sum(nbytes(var.aval) for var in eqn.invars[1:] if not is_literal(var))
        reads = 1 if name in ("dynamic_update_slice", "scatter") else 2
        return others + reads * update
    return results + sum(nbytes(var.aval) for var in eqn.invars if not is_literal(var))
