"""The rule that follows special values through a program, from the events that made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit.jaxpr import Equation, Rule
from jaxkit.numerics.nonfinite import operations
from jaxkit.numerics.nonfinite.codes import GIVEN_NAN, ZERO, code_of_given, full, settled
from jaxkit.numerics.nonfinite.flow import moved, sources

__all__ = ["LOOPS", "Asked", "Clock", "Counting", "Origins", "is_inexact", "is_maker"]

# Of how many nested loops the iterations are told.
LOOPS = 6
_SILENT = frozenset({"debug_callback", "debug_print"})


class Asked(NamedTuple):
    """What a run of the program is to find out.

    Args:
        event: i32[], the event of which the first element is wanted that spoils the output, and
            where it stands; 0: the first event of all.
        ignored: i32[n], numbers of equations of which nothing is wanted.
        naming: bool[], whether the condition through which it does is wanted, not the element.
    """

    event: Any
    ignored: Any
    naming: Any


class Clock(NamedTuple):
    """Which equation in which turn of which loops.

    Args:
        time: i32[], how many equations that can be events have been evaluated, and the number of
            the next.
        turns: i32[LOOPS], the turn of each loop around, -1 outside of it.
    """

    time: Any
    turns: Any

    @classmethod
    def start(cls, first: int) -> Clock:
        """Before the first equation, which gets this number."""
        return cls(jnp.int32(first), jnp.full(LOOPS, -1, jnp.int32))


def is_inexact(aval: Any) -> bool:
    """Whether it is an array that can hold a NaN."""
    return jaxprs.is_array_type(aval) and jnp.issubdtype(aval.dtype, jnp.inexact)


def is_maker(at: Equation) -> bool:
    """Whether the equation can be an event, for which it has a number of its own."""
    if at.primitive in operations.MOVES or at.primitive in operations.NEVER_MAKE:
        return False
    return any(is_inexact(var.aval) for var in at.eqn.outvars)


class Counting(Rule):
    """A rule whose state has a `Clock` as its first part, and that repeats no output to people.

    Args:
        barriers: Whether the compiler has to leave each equation as it is, as JAX evaluates them
            outside of `jax.jit`.
        choosing: Whether `jnp.where` makes a NaN, where it chooses one that is a constant.
    """

    def __init__(self, *, barriers: bool, choosing: bool = False) -> None:
        self.barriers = barriers
        self.choosing = choosing

    def chooses(self, at: Equation) -> bool:
        """Whether the equation can be an event that chooses a NaN."""
        return self.choosing and at.primitive == "select_n" and is_inexact(at.eqn.outvars[0].aval)

    def makes(self, at: Equation) -> bool:
        """Whether the equation can be an event."""
        return is_maker(at) or self.chooses(at)

    def turn(self, state: Any, loops: int, *, begins: bool) -> Any:
        """Counts the turns of a loop."""
        clock, *rest = state
        place = min(loops, LOOPS) - 1
        turns = clock.turns
        turns = turns.at[place].add(1) if begins else turns.at[place].set(-1)
        return (clock._replace(turns=turns), *rest)

    def run_quietly(self, at: Equation, values: Sequence[Any]) -> list[Any]:
        """Evaluates an equation, if it is not for somebody to read."""
        if at.primitive in _SILENT:
            return []
        outs = at.run(values)
        if self.barriers and self.makes(at):
            return list(lax.optimization_barrier(outs))
        return outs

    def next(self, at: Equation) -> Any:
        """The number of this equation, if it can be an event; the clock goes on."""
        clock, *rest = at.state
        at.state = (clock._replace(time=clock.time + 1), *rest)
        return clock.time

    def across_devices(self, before: Any, after: Any, axes: tuple[str, ...]) -> Any:
        """That of the device on which something was found."""
        return jax.tree.map(lambda x: lax.pmax(x, axes), after)


class Origins(Counting):
    """Beside each inexact array the codes of its elements.

    The state is (clock, what is asked, the place of the event that is asked for: the number of its
    equation in `equations`, from 1, and the turns of the loops).
    """

    def __init__(self, asked: Asked, first: int, *, barriers: bool, choosing: bool = False) -> None:
        super().__init__(barriers=barriers, choosing=choosing)
        self.asked = asked
        self.first = first
        self.equations: list[Equation] = []
        self.conditions: list[Equation] = []

    def start(self) -> Any:
        """Before the first equation."""
        return Clock.start(self.first), self.asked, (jnp.int32(0), jnp.zeros(LOOPS, jnp.int32))

    def lift(self, value: Any) -> Any:
        """With the codes of what was given."""
        if not is_inexact(jax.typeof(value)):
            return value
        return value, code_of_given(value)

    def primal(self, box: Any) -> Any:
        """The array."""
        return box[0] if isinstance(box, tuple) else box

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        """Evaluates it, and tells where the special values of the results have come from."""
        values = [self.primal(box) for box in boxes]
        codes = [box[1] if isinstance(box, tuple) else None for box in boxes]
        outs = self.run_quietly(at, values)
        found = self.codes(at, codes, values, outs)
        return [
            (out, code) if is_inexact(var.aval) else out
            for var, out, code in zip(at.eqn.outvars, outs, found, strict=True)
        ]

    def codes(self, at: Equation, codes: Any, values: Any, outs: Sequence[Any]) -> list[Any]:
        """The codes of the results that are inexact arrays."""
        found = moved(at, codes, values)
        return self._made(at, codes, values, outs) if found is None else found

    def _made(self, at: Equation, codes: Any, values: Any, outs: Sequence[Any]) -> list[Any]:
        name = at.primitive
        event = self.event(at) if is_maker(at) else None
        underflows = event is not None and name in operations.UNDERFLOWING
        underflows = underflows and any(code is not None for code in codes)
        found: list[Any] = []
        for var, out in zip(at.eqn.outvars, outs, strict=True):
            if not is_inexact(var.aval):
                found.append(None)
                continue
            number = full(GIVEN_NAN, out) if event is None else self.numbered(event, at, out)
            least, of_zero = sources(at, codes, values, out)
            code = settled(
                out,
                least,
                number,
                underflow=number + full(ZERO, out) if underflows else None,
                zero_makes_bad=name in operations.ZERO_MAKES_BAD,
                inf_makes_zero=name in operations.INF_MAKES_ZERO,
                least_of_zero=of_zero,
            )
            # Without it the compiler evaluates it again wherever it is used.
            found.append(lax.optimization_barrier(code))
        return found

    def event(self, at: Equation) -> Any:
        """Its number, noting where it stands if it is the one that is asked for."""
        number = self.next(at)
        self.equations.append(at)
        clock, asked, (equation, turns) = at.state
        here = lax.eq(number, asked.event)
        equation = lax.select(here, jnp.int32(len(self.equations)), equation)
        turns = jnp.where(here, clock.turns, turns)
        at.state = (clock, asked, (equation, turns))
        return number, here, jnp.any(asked.ignored == len(self.equations))

    def numbered(self, event: Any, at: Equation, out: Any) -> Any:
        """What stands for the event: its number, or that of the element where that is asked."""
        number, here, ignored = event
        first = lax.eq(at.state[1].event, jnp.int32(0))
        plain = lax.select(first & ~ignored, number, jnp.int32(GIVEN_NAN))
        element = lax.iota(jnp.int32, out.size).reshape(out.shape) + full(1, out)
        return lax.select(full(here, out), element, full(plain, out))
