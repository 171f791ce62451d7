"""Programs handed to the compiler, and what it says of them.

Public, though without a promise of stability: ``cost_analysis`` and ``memory_analysis`` of
`jax.stages.Compiled`, and `jax.extend.core.jaxpr_as_fun`. Read on JAX 0.10.2 and 0.12.0.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.extend import core as jex

from jaxkit._jax.jitted import is_jitted


class Compiled(NamedTuple):
    """What the compiler says of a program; None where it says nothing.

    Attributes:
      platform: what it was compiled for.
      flops: operations, by its own way of counting.
      transcendentals: evaluations of transcendental functions, which are not among `flops`.
      bytes: what is read and written.
      arguments: bytes of arguments.
      results: bytes of results.
      temporary: bytes of everything between.
      aliased: bytes of results that stand in the place of arguments.
    """

    platform: str
    flops: float | None
    transcendentals: float | None
    bytes: float | None
    arguments: int | None
    results: int | None
    temporary: int | None
    aliased: int | None


def compile_program(closed: Any, donated: tuple[int, ...] = ()) -> Compiled:
    """Compiles a program for the default device; nothing of it is run.

    Args:
      closed: a closed jaxpr.
      donated: which of its inputs may be overwritten.
    """
    called = jex.jaxpr_as_fun(closed)
    inputs = [_struct(aval) for aval in closed.in_avals]
    jitted = jax.jit(lambda *args: called(*args), donate_argnums=donated)
    lowered = jitted.lower(*inputs)
    compiled = lowered.compile()
    cost = compiled.cost_analysis() or {}
    if isinstance(cost, list):  # one for each program, in older versions
        cost = cost[0] if cost else {}
    memory = compiled.memory_analysis()
    return Compiled(
        jax.default_backend(),
        cost.get("flops"),
        cost.get("transcendentals", 0.0 if "flops" in cost else None),
        cost.get("bytes accessed"),
        getattr(memory, "argument_size_in_bytes", None),
        getattr(memory, "output_size_in_bytes", None),
        getattr(memory, "temp_size_in_bytes", None),
        getattr(memory, "alias_size_in_bytes", None),
    )


def _struct(aval: Any) -> Any:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def donated_inputs(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[int, ...]:
    """Which leaves of a jitted function's arguments it may overwrite, static ones not counted.

    Args:
      fun: any callable; one that is not jitted keeps all.
      args: its positional arguments.
      kwargs: its keyword arguments.
    """
    if not is_jitted(fun):
        return ()
    try:
        info: Any = fun.trace(*args, **kwargs).args_info
        leaves: list[Any] = jax.tree.leaves(info, is_leaf=lambda leaf: hasattr(leaf, "donated"))
        return tuple(i for i, leaf in enumerate(leaves) if leaf.donated)
    except AttributeError:  # another version's form: nothing is known to be overwritten
        return ()
