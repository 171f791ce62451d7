"""How much memory a program needs at its worst moment, and what holds it: an estimate.

The equations are taken in their order, with what the compiler will do to them: a result that one
other equation uses element by element is not stored, what it is made of lives until then; a
reshape costs nothing; a result takes the place of an operand of its size that is not needed any
more; a program inside an equation adds its own worst moment. The compiler may order, duplicate and
reuse otherwise: expect the truth within 0.7 to 1.4 of the estimate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from jaxkit._jax.jaxprs import Program, open_jaxpr
from jaxkit._jax.source import Sources
from jaxkit.jaxpr._walk import line_of
from jaxkit.jaxpr.flatten import flat
from jaxkit.jaxpr.fusion import Flat, Op
from jaxkit.jaxpr.lifetimes import Lifetimes, Moment
from jaxkit.jaxpr.nesting import nested
from jaxkit.report import SourceLine


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """An array that is in memory at the worst moment.

    Attributes:
      what: its type, as ``f32[32,128]``, or what it is.
      bytes: its size.
      where: the line that made it; None for an argument, and where that is not known.
      argument: its name, where it is an argument or a constant.
    """

    what: str
    bytes: int
    where: SourceLine | None
    argument: str | None = None

    def __str__(self) -> str:
        """``f32[32,128] of args[0]``, ``f32[32,128] made at train.py:41 in loss``."""
        if self.argument is not None:
            return f"{self.what} of {self.argument}"
        return f"{self.what} made at {self.where}" if self.where else self.what


@dataclasses.dataclass(frozen=True, slots=True)
class Peak:
    """The worst moment of a program.

    Attributes:
      bytes: what is in memory then, arguments and results included.
      argument_bytes: of that, arguments and constants.
      where: the line whose results hold most of it; None where arguments are all, or where it is
        not known.
      at: the line that runs then.
      by_line: bytes that each line's results hold then; None is where it is not known.
      arrays: the largest of the arrays then.
    """

    bytes: int
    argument_bytes: int
    where: SourceLine | None
    at: SourceLine | None
    by_line: dict[SourceLine | None, int]
    arrays: tuple[Held, ...]


_SHOWN = 20


def peak_of(
    program: Program | Any,
    *,
    donated: Collection[int] = (),
    names: tuple[str, ...] = (),
) -> Peak:
    """The most memory that a program needs at once.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> square = lambda x: jnp.sin(x) @ x  # the argument, its sine, the result
      >>> peak_of(jax.make_jaxpr(square)(jnp.ones((100, 100)))).bytes
      120000

    Args:
      program: of `jaxkit._jax.jaxprs.trace`, or a jaxpr.
      donated: which arguments may be overwritten.
      names: of the arguments.
    """
    jaxpr = program.lowered if isinstance(program, Program) else program
    whole = flat(jaxpr)
    arguments = whole.inputs[whole.fixed :]
    lifetimes = Lifetimes(whole, free={arguments[i] for i in donated})
    moment = lifetimes.worst()
    base = sum(whole.sizes[variable] for variable in whole.inputs)
    held, at = _held(whole, lifetimes, moment)
    labels = [*["a constant"] * whole.fixed, *names]
    labels += [f"argument {i}" for i in range(len(labels), len(whole.inputs))]
    given = [
        Held(_type(var.aval), whole.sizes[number], None, label)
        for var, number, label in zip(_inputs(jaxpr), whole.inputs, labels, strict=False)
    ]
    by_line: dict[SourceLine | None, int] = {}
    for each in held:
        by_line[each.where] = by_line.get(each.where, 0) + each.bytes
    by_line = dict(sorted(by_line.items(), key=lambda item: item[1], reverse=True))
    known = [line for line, n in by_line.items() if line is not None and n]
    arrays = sorted([*held, *given], key=lambda each: each.bytes, reverse=True)
    return Peak(
        base + moment.bytes, base, known[0] if known else None, at, by_line, tuple(arrays[:_SHOWN])
    )


def _inputs(jaxpr: Any) -> list[Any]:
    held = open_jaxpr(jaxpr)
    return [*held.constvars, *held.invars]


def _held(
    whole: Flat, lifetimes: Lifetimes, moment: Moment
) -> tuple[list[Held], SourceLine | None]:
    """What is stored at the worst moment, down into the programs that run then."""
    sources = Sources()
    found: list[Held] = []
    outer: SourceLine | None = None
    while True:
        makers = {number: op for op in whole.ops for number in op.results}
        for number, size in lifetimes.stored_at(moment).items():
            op = makers[number]
            aval = op.eqn.outvars[op.results.index(number)].aval
            found.append(Held(_type(aval), size, _line(sources, whole, op, outer)))
        if moment.at is None:
            return found, outer
        op = whole.ops[moment.at]
        outer = _line(sources, whole, op, outer)
        if not op.bodies:
            return found, outer
        _, whole = max(op.bodies, key=lambda pair: pair[1].extra or 0)
        lifetimes = Lifetimes(whole)
        moment = lifetimes.worst()


def _line(sources: Sources, whole: Flat, op: Op, outer: SourceLine | None) -> SourceLine | None:
    line, jaxpr = outer, whole.jaxpr
    for eqn in op.within:
        line = line_of(sources.of(eqn, jaxpr), line)
        jaxpr = nested(eqn)[0].jaxpr
    line = line_of(sources.of(op.eqn, jaxpr), line)
    return line and SourceLine(line.file, line.line, None, line.function)


def _type(aval: Any) -> str:
    """``f32[32,128]``, as a jaxpr writes it."""
    short = getattr(aval, "str_short", None)
    return str(short(short_dtypes=True)) if callable(short) else str(aval)
