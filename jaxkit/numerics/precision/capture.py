"""The operands and results of a few equations at one turn of their loops each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxkit.jaxpr.rule import Equation, Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics._devices import of_one
from jaxkit.numerics.precision.attribution import per_tap
from jaxkit.numerics.precision.dual import Dual, Measured
from jaxkit.numerics.precision.plan import Frame, Tap
from jaxkit.numerics.precision.wide import is_float, wide_dtype

__all__ = ["Values", "capture_program", "hits_of", "values_of"]


@dataclasses.dataclass(frozen=True)
class Values:
    """An equation's numbers, as NumPy arrays in double precision.

    Args:
        primals: The operands.
        shadows: What the operands should be.
        out: The result.
        exact: The result in double precision of the operands as they are.
        shadow: What the result should be.
    """

    primals: Sequence[np.ndarray]
    shadows: Sequence[np.ndarray]
    out: np.ndarray
    exact: np.ndarray
    shadow: np.ndarray


def hits_of(frame: Frame, chosen: Mapping[Tap, tuple[int, ...]]) -> Any:
    """For each tap and turn whether it is to be captured.

    Args:
        frame: The plan.
        chosen: The taps, and the turn of each loop around them.
    """

    def make(lead: tuple[int, ...], taps: list[Tap]) -> Any:
        found = np.zeros((*lead, len(taps)), bool)
        for number, tap in enumerate(taps):
            if tap in chosen:
                found[(*chosen[tap], number)] = True
        return found

    return per_tap(frame, make)


class _Capture(Dual):
    """The state has the numbers of the chosen equations."""

    def __init__(self, plan: Frame, given: Any, chosen: Sequence[Tap]) -> None:
        super().__init__(plan, given)
        self._chosen = {tap: number for number, tap in enumerate(chosen)}

    def start(self) -> Any:
        return [_empty(tap.eqn) for tap in self._chosen]

    def measure(self, tap: Tap, at: Equation, one: Measured, given: Any) -> Any:
        number = self._chosen.get(tap)
        if number is not None:
            which = _result(at.eqn)
            state = list(at.state)

            def now() -> Any:
                found = one.primals, one.operand_shadows, one.results(which)
                return jax.tree.map(lambda new, old: new.astype(old.dtype), found, state[number])

            # Of the turns only one is stored; the others do not so much as copy.
            state[number] = lax.cond(given, now, lambda: state[number])
            at.state = state
        return one.shadows

    def across_devices(self, before: Any, after: Any, axes: tuple[str, ...]) -> Any:
        """Of each equation, the numbers of the device on which it is furthest off."""
        return [of_one(each, _off(*each[2]), axes) for each in after]


def _off(out: Any, exact: Any, shadow: Any) -> Any:
    return jnp.max(jnp.nan_to_num(jnp.abs(out - shadow), nan=0.0), initial=0.0)


def _result(eqn: Any) -> int:
    return next(i for i, var in enumerate(eqn.outvars) if is_float(var.aval))


def _empty(eqn: Any) -> Any:
    def wide(aval: Any) -> Any:
        return jnp.zeros(aval.shape, wide_dtype(aval.dtype) if is_float(aval) else aval.dtype)

    operands = [wide(atom.aval) for atom in eqn.invars]
    out = wide(eqn.outvars[_result(eqn)].aval)
    return operands, list(operands), (out, out, out)


def capture_program(closed: Any, plan: Frame, chosen: Sequence[Tap]) -> Any:
    """A function of (inputs, hits) that gives the numbers of each chosen equation."""

    def program(inputs: Sequence[Any], hits: Any) -> Any:
        rule = _Capture(plan, hits, chosen)
        run = Run(rule)
        _, found = run.closed(closed, [run.lift(x) for x in inputs], rule.start(), Where())
        return found

    return program


def values_of(found: Any) -> list[Values]:
    """What the program gives, as NumPy arrays."""
    result: list[Values] = []
    for primals, shadows, (out, exact, shadow) in found:
        result.append(
            Values(
                [np.asarray(x) for x in primals],
                [np.asarray(x) for x in shadows],
                np.asarray(out),
                np.asarray(exact),
                np.asarray(shadow),
            )
        )
    return result
