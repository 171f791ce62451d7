"""A program in its own precision and in double precision, by one compiled program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax import jaxprs
from jaxkit._jax.x64 import with_x64
from jaxkit.errors import UsageError
from jaxkit.jaxpr.calls import CALLS
from jaxkit.jaxpr.rule import Equation, Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics.precision.doubles import Counted, Wide
from jaxkit.numerics.precision.plan import loops_of
from jaxkit.numerics.precision.wide import EFFECTS, up

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
    jaxpr = jaxprs.open_jaxpr(closed)

    def evaluate(inputs: Sequence[Any]) -> tuple[Any, Any]:
        told: dict[int, Sequence[Any]] = {}
        narrow = _Telling(loops, told)
        outs, trips = Run(narrow).closed(closed, inputs, narrow.start(), Where())
        wide = _Told(loops, trips, told)
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


class _Telling(Counted):
    """Keeps what the world outside has answered."""

    def __init__(self, loops: Mapping[int, int], told: dict[int, Sequence[Any]]) -> None:
        super().__init__(loops)
        self.told = told

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        outs = super().equation(at, boxes)
        if at.primitive in EFFECTS and _runs_once(at):
            self.told[id(at.eqn)] = outs
        return outs


class _Told(Wide):
    """Asks the world outside only where that may be asked twice."""

    def __init__(
        self, loops: Mapping[int, int], trips: Any, told: Mapping[int, Sequence[Any]]
    ) -> None:
        super().__init__(loops, trips)
        self.told = told

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        if at.primitive not in EFFECTS:
            return super().equation(at, boxes)
        if not at.eqn.outvars:
            return []
        if id(at.eqn) in self.told:
            return [up(value) for value in self.told[id(at.eqn)]]
        if at.primitive == "pure_callback":
            return super().equation(at, boxes)
        raise UsageError(
            f"compare_x64 cannot run an {at.primitive} in a loop or a branch{_at(at)}: it would "
            "happen twice; compare the function without it, or a function of what it returns"
        )


def _runs_once(at: Equation) -> bool:
    return all(eqn.primitive.name in CALLS for eqn in at.outer)


def _at(at: Equation) -> str:
    return "" if at.where is None else f" at {at.where}"
