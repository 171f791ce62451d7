"""A program in its own precision and in double precision, by one compiled program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax import jaxprs
from jaxkit._jax.order import after
from jaxkit._jax.x64 import with_x64
from jaxkit.jaxpr.rule import Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics.precision.callbacks import Tape, has_effects
from jaxkit.numerics.precision.doubles import Counted, Wide
from jaxkit.numerics.precision.plan import loops_of
from jaxkit.numerics.precision.wide import up

__all__ = ["both", "on_host"]


def both(program: jaxprs.Program) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The results of a traced function, and the same in double precision.

    Args:
        program: As `jaxprs.trace` has it, with values for its inputs.

    Returns:
        NumPy arrays of both, result by result; keys as the integers that they are made of.
    """
    closed = program.written
    loops = {id(eqn): index for index, eqn in enumerate(loops_of(closed))}
    jaxpr, tape = jaxprs.open_jaxpr(closed), Tape()

    def evaluate(inputs: Sequence[Any]) -> tuple[Any, Any]:
        narrow = Counted(loops, tape)
        outs, trips = Run(narrow).closed(closed, inputs, narrow.start(), Where())
        if has_effects(closed):  # which are to be recorded before they are replayed
            outs, inputs = after(outs, inputs)
        wide = Wide(loops, trips, tape)
        exact, _ = Run(wide).closed(closed, [up(value) for value in inputs], (), Where())
        return [_plain(out) for out in outs], [_plain(out) for out in exact]

    inputs = [_typed(v, var.aval) for v, var in zip(program.inputs, jaxpr.invars, strict=True)]
    with with_x64():
        return jax.device_get(jax.jit(evaluate)(inputs))


def on_host(value: Any) -> np.ndarray:
    """An output of any kind as `both` gives it."""
    with with_x64():
        return np.asarray(jax.device_get(_plain(value)))


def _typed(value: Any, aval: Any) -> Any:
    """A Python number as the array that it is in the program, whatever 64-bit types would be."""
    return value if hasattr(value, "dtype") else np.asarray(value, aval.dtype)


def _plain(value: Any) -> Any:
    is_key = hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jax.dtypes.extended)
    return jax.random.key_data(value) if is_key else value
