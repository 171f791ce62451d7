"""One compiled program that runs with any of its parts in a narrower format."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax import jaxprs
from jaxkit._jax.values import is_array
from jaxkit._jax.x64 import with_x64
from jaxkit.jaxpr import Equation, Rule
from jaxkit.jaxpr.rule import Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics.emulate import computes, is_float
from jaxkit.numerics.emulation.formats import Format, holds, round_to
from jaxkit.numerics.searching.groups import Place

__all__ = ["Masked", "candidates_of"]

_PRINTS = frozenset({"debug_callback", "debug_print"})
_DOUBLES = frozenset({"float64", "complex128", "int64", "uint64"})
_EFFECTS = frozenset({"io_callback", "infeed", "outfeed"})


def candidates_of(program: jaxprs.Program, target: Format) -> list[Place]:
    """Where the equations stand whose results the format would change.

    Raises:
        ValueError: The program does something besides, which would be done in each run.
    """
    found: list[Place] = []

    def note(at: Equation, outs: Sequence[Any]) -> Sequence[Any]:
        found.append(Place.of(at))
        return outs

    jax.eval_shape(lambda inputs: _run(program, _Each(target, note), inputs), _typed(program))
    return found


class Masked:
    """A program, compiled when it first runs, and then no more.

    Args:
        program: The program, with its inputs.
        target: The format.
        numbers: Of each place that can be rounded, the number of its group.
        groups: How many groups there are.
        atol: Differences up to this do not count.
    """

    def __init__(
        self,
        program: jaxprs.Program,
        target: Format,
        numbers: dict[Place, int],
        groups: int,
        atol: float,
    ) -> None:
        self._inputs = _typed(program)
        self._groups = groups
        self.runs = 0

        def evaluate(mask: Any, inputs: Any, reference: Any) -> Any:
            def rounded(at: Equation, outs: Sequence[Any]) -> Sequence[Any]:
                on = mask[numbers[Place.of(at)]]
                return [
                    jnp.where(on, round_to(out, target), out) if is_float(out) else out
                    for out in outs
                ]

            outs = _run(program, _Each(target, rounded), inputs)
            errors = [_error(*pair, atol) for pair in zip(outs, reference, strict=True)]
            return outs, jnp.stack(errors)

        self.compiled = jax.jit(evaluate)
        avals = jax.eval_shape(lambda inputs: _run(program, Rule(), inputs), self._inputs)
        # From the host each time: an array's sharding must not make it another program.
        self._reference = [np.zeros(aval.shape, aval.dtype) for aval in avals]
        # As of `jaxkit.x64`: JAX would narrow them on their way back into the program.
        self._doubles = any(aval.dtype.name in _DOUBLES for aval in avals)
        self._reference = jax.device_get(self._call(())[0])

    def error(self, lowered: Iterable[int]) -> float:
        """The largest relative error of an output when these groups are lowered."""
        self.runs += 1
        return float(np.max(self._call(lowered)[1]))

    def _call(self, lowered: Iterable[int]) -> Any:
        mask = np.zeros(self._groups, bool)
        mask[list(lowered)] = True
        with with_x64() if self._doubles else contextlib.nullcontext():
            return self.compiled(mask, self._inputs, self._reference)


class _Each(Rule):
    """Has the results of each equation that the format would change made anew."""

    def __init__(self, target: Format, make: Callable[..., Sequence[Any]]) -> None:
        self._target = target
        self._make = make

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        if at.primitive in _PRINTS and not at.eqn.outvars:
            return []
        if at.primitive in _EFFECTS:
            place = f" at {at.where}" if at.where else ""
            raise ValueError(
                f"search_precision runs the function many times, and {at.primitive}{place} would "
                "act on the world each time: search a function without it"
            )
        outs = at.run(boxes)
        floats = [var.aval for var in at.eqn.outvars if is_float(var.aval)]
        changes = any(not holds(self._target, aval.dtype) for aval in floats)
        if not changes or not computes(at):
            return outs
        with jaxprs.place_of(at.eqn):
            return self._make(at, outs)


def _run(program: jaxprs.Program, rule: Rule, inputs: Sequence[Any]) -> list[Any]:
    outs, _ = Run(rule).closed(program.written, list(inputs), rule.start(), Where())
    return [_plain(out) for out in outs]


def _typed(program: jaxprs.Program) -> list[Any]:
    """The inputs, Python numbers as the arrays that they are in the program."""
    variables = jaxprs.open_jaxpr(program.written).invars
    return [
        value if hasattr(value, "dtype") else np.asarray(value, var.aval.dtype)
        for value, var in zip(program.inputs, variables, strict=True)
    ]


def _plain(value: Any) -> Any:
    """Random keys as the integers that they are made of, Python numbers as arrays."""
    aval = jax.typeof(value)
    if jaxprs.is_key(aval):
        return jax.random.key_data(value)
    return value if is_array(value) else np.asarray(value, aval.dtype)


def _error(value: Any, reference: Any, atol: float) -> Any:
    """f32[]: how far an output is off, of the largest of its elements; of integers, how many."""
    if not value.size:
        return jnp.float32(0)
    if not is_float(value):
        return jnp.mean(value != reference, dtype=jnp.float32)
    if jnp.finfo(value.dtype).bits < 32:
        value, reference = value.astype(jnp.float32), reference.astype(jnp.float32)
    finite = jnp.isfinite(reference)
    same = (value == reference) | (jnp.isnan(value) & jnp.isnan(reference))
    off = jnp.max(jnp.where(finite, jnp.abs(value - reference), 0))
    off = jnp.where(off > atol, off, 0)
    scale = jnp.max(jnp.where(finite, jnp.abs(reference), 0))
    relative = jnp.where(off > 0, off / scale, 0)
    fine = jnp.all(jnp.where(finite, jnp.isfinite(value), same))
    return jnp.where(fine, relative, jnp.inf).astype(jnp.float32)
