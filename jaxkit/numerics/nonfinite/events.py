"""Which events have spoilt the outputs of a program, with what they were made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax import jaxprs
from jaxkit.jaxpr import Equation
from jaxkit.jaxpr.boxes import as_typed
from jaxkit.jaxpr.rule import Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics.nonfinite.capture import Capture
from jaxkit.numerics.nonfinite.codes import GIVEN_NAN, NONE, is_finite, is_nan
from jaxkit.numerics.nonfinite.conditions import DIRECT, IGNORED, Conditions
from jaxkit.numerics.nonfinite.tracing import Asked, Origins, is_inexact

__all__ = ["Event", "Events", "Outcome", "is_special"]

# How many events are looked for, one after the other.
_MOST = 3
# Above this many elements the operands stay where they are.
_LARGEST = 2**26


@dataclass(frozen=True)
class Event:
    """An equation that made a NaN, an infinity or a zero that spoils an output.

    Args:
        at: The equation, and where it stands.
        turns: The turn of each loop around it, from 0, the outermost first.
        element: The place of the first element that spoils an output, in the flattened result.
        operands: Their values; None where there are too many of them, or no array.
        result: The array in which the element is, likewise.
        leaves: The leaves of the output that it spoils, by their number.
        spoils: How many values of the output it spoils.
        through: The condition that chose a NaN because of it; None where it came by itself.
    """

    at: Equation
    turns: tuple[int, ...]
    element: int
    operands: tuple[np.ndarray | None, ...]
    result: np.ndarray | None
    leaves: tuple[int, ...]
    spoils: int
    through: Equation | None = None

    @property
    def index(self) -> tuple[int, ...]:
        """The index of the element."""
        shape = next(v.aval.shape for v in self.at.eqn.outvars if is_inexact(v.aval))
        return tuple(int(i) for i in np.unravel_index(self.element, shape)) if shape else ()


@dataclass(frozen=True)
class Outcome:
    """What a run of a program has shown.

    Args:
        bad: For each leaf of the output how many NaN and how many infinities it has.
        arguments: The inputs, by their number, whose NaN have come as far as an output.
        events: Those that have spoilt an output; the first one first.
    """

    bad: tuple[tuple[int, int], ...]
    arguments: tuple[int, ...]
    events: tuple[Event, ...]


class Events:
    """Finds the events of one program, which is compiled once.

    Args:
        program: The program.
        barriers: Whether the compiler leaves each equation as it is, as outside of `jax.jit`.
        apart: Whether each is a program of its own as well, which takes many times as long.
        choosing: Whether choosing a NaN that is a constant is an event, unless what the condition
            looked at is one.
    """

    def __init__(
        self,
        program: jaxprs.Program,
        *,
        barriers: bool = False,
        apart: bool = False,
        choosing: bool = False,
    ) -> None:
        self._written = program.written
        self._jit: Any = _as_it_is if apart else _jit
        self._how = {"barriers": barriers, "choosing": choosing}
        self._first = len(program.inputs) + 1
        self._equations: list[Equation] = []
        self._conditions: list[Equation] = []
        self._captures: dict[int, Callable[..., Any]] = {}

    def of(self, inputs: Sequence[Any]) -> Outcome:
        """Runs the program, and a few times more for each event.

        Args:
            inputs: A value for each of the program's inputs.
        """
        inputs = tuple(inputs)
        table, _ = self._run(inputs, 0, [])
        bad = tuple((int(nan), int(inf)) for nan, inf, *_ in table)
        given = sorted({int(row[2]) - 1 for row in table if 0 < row[2] < self._first})
        events: list[Event] = []
        ignored: list[int] = []
        while True:
            numbers = [int(row[2]) for row in table]
            numbers = [n if self._first <= n < IGNORED else NONE for n in numbers]
            number = min(numbers, default=NONE)
            if number == NONE:
                break
            leaves = tuple(i for i, n in enumerate(numbers) if n == number)
            equation, event = self._event(inputs, number, leaves)
            events.append(event)
            ignored.append(equation)
            if len(events) == _MOST:
                break
            table, _ = self._run(inputs, 0, ignored)
        return Outcome(bad, tuple(given), tuple(_ranked(events)))

    def _event(self, inputs: tuple[Any, ...], number: int, leaves: Sequence[int]) -> Any:
        table, (equation, turns) = self._run(inputs, number, [])
        element = min((int(table[leaf][2]) for leaf in leaves), default=1) - 1
        at = self._equations[int(equation) - 1]
        operands, result = self._operands(at, inputs, number)
        return int(equation), Event(
            at,
            tuple(int(turn) for turn in turns if turn >= 0),
            _seen(element if 0 <= element < IGNORED - 1 else 0, result),
            operands,
            result,
            tuple(leaves),
            sum(int(row[3]) for row in table),
            self._through(inputs, number, leaves),
        )

    def _through(
        self, inputs: tuple[Any, ...], number: int, leaves: Sequence[int]
    ) -> Equation | None:
        if not self._how["choosing"]:
            return None
        table, _ = self._run(inputs, number, [], naming=True)
        code = min((int(table[leaf][2]) for leaf in leaves), default=DIRECT)
        return self._conditions[code - DIRECT - 1] if DIRECT < code < IGNORED else None

    def _operands(self, at: Equation, inputs: tuple[Any, ...], number: int) -> Any:
        atoms = [*at.eqn.invars, *at.eqn.outvars]
        if sum(int(np.prod(getattr(a.aval, "shape", ()))) for a in atoms) > _LARGEST:
            return (None,) * len(at.eqn.invars), None
        key = id(at.eqn)
        if key not in self._captures:
            self._captures[key] = self._jit(lambda n, xs: self._kept(at.eqn, n, xs))
        kept = jax.device_get(self._captures[key](jnp.int32(number), inputs))
        values = [None if isinstance(value, tuple) else np.asarray(value) for value in kept]
        count = len(at.eqn.invars)
        results = zip(at.eqn.outvars, values[count:], strict=True)
        result = next((value for var, value in results if is_inexact(var.aval)), None)
        return tuple(values[:count]), result

    def _kept(self, eqn: Any, number: Any, inputs: tuple[Any, ...]) -> Any:
        rule = Capture(eqn, number, self._first, **self._how)
        _, (_, kept) = Run(rule).closed(self._written, self._typed(inputs), rule.start(), Where())
        return kept

    def _run(
        self, inputs: tuple[Any, ...], event: int, ignored: Sequence[int], *, naming: bool = False
    ) -> Any:
        numbers = np.zeros(_MOST, np.int32)
        numbers[: len(ignored)] = ignored
        asked = Asked(np.int32(event), numbers, np.bool_(naming))
        return jax.device_get(self._compiled(asked, inputs))

    @cached_property
    def _compiled(self) -> Callable[..., Any]:
        return self._jit(self._origins)

    def _origins(self, asked: Asked, inputs: tuple[Any, ...]) -> Any:
        """For each leaf `_counts`, and the place of the event that is asked for."""
        kind = Conditions if self._how["choosing"] else Origins
        rule = kind(Asked(*asked), self._first, barriers=self._how["barriers"])
        run = Run(rule)
        values = self._typed(inputs)
        boxes = [self._given(i, run.lift(value), asked) for i, value in enumerate(values)]
        outs, (_, _, place) = run.closed(self._written, boxes, rule.start(), Where())
        self._equations, self._conditions = rule.equations, rule.conditions
        return [_counts(out) for out in outs], place

    def _typed(self, inputs: Sequence[Any]) -> list[Any]:
        """With the weak types that the program was traced with, which values may have lost."""
        variables = jaxprs.open_jaxpr(self._written).invars
        return [as_typed(x, var.aval) for x, var in zip(inputs, variables, strict=True)]

    def _given(self, number: int, box: Any, asked: Asked) -> Any:
        if not isinstance(box, tuple):
            return box
        value, code = box
        mine = jnp.where(asked.event == 0, number + 1, GIVEN_NAN)
        return value, jnp.where(code == GIVEN_NAN, mine, code).astype(jnp.int32)


def _seen(element: int, result: np.ndarray | None) -> int:
    """An element of what was captured that is special there, too, if there is one.

    An operand at the end of a domain may be rounded otherwise in another program, as XLA fuses it.
    """
    if result is None or is_special(result.ravel()[element]):
        return element
    special = np.flatnonzero(is_special(result.ravel()))
    return int(special[0]) if special.size else element


def is_special(values: Any) -> Any:
    """Which of NumPy's values are NaN, infinite or zero."""
    values = np.asarray(values)
    wide = values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
    return ~np.isfinite(wide) | (wide == 0)


def _as_it_is(fun: Any) -> Any:
    return fun


def _counts(box: Any) -> Any:
    """How many NaN, how many infinities, their smallest code, and how many are of an event."""
    if not isinstance(box, tuple) or not is_inexact(jax.typeof(box[0])):
        return jnp.array([0, 0, NONE, 0], jnp.int32)
    value, code = box
    bad, nan = ~is_finite(value), is_nan(value)
    code = jnp.where(bad, code, NONE)
    counts = [jnp.sum(each, dtype=jnp.int32) for each in (nan, bad & ~nan, code < IGNORED)]
    return jnp.stack([*counts[:2], jnp.min(code, initial=NONE), counts[2]])


def _jit(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled quickly rather than well: it runs once or a few times, over many small equations."""
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(fun, compiler_options=options if jax.default_backend() == "cpu" else None)


def _ranked(events: list[Event]) -> list[Event]:
    """In the order of time; but in a loop first what spoils most.

    There a value that grows may spoil what one turn gives out before it spoils what is carried.
    """
    loops = [i for i, event in enumerate(events) if event.turns]
    ordered = sorted((events[i] for i in loops), key=lambda event: -event.spoils)
    if loops != list(range(len(loops))):
        return events
    return [*ordered, *events[len(loops) :]]
