"""One evaluation of a program with a rule: from equation to equation, into calls and out of them.

Calls do not recurse, so that no depth of them is too great; loops and branches do, as they do in
JAX.
"""

# JAX's own annotations are unknown in part.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from jaxkit._jax import jaxprs
from jaxkit._jax.source import Sources
from jaxkit.jaxpr._walk import joined, line_of
from jaxkit.jaxpr.calls import CALLS, Call
from jaxkit.jaxpr.control import LOOPS
from jaxkit.jaxpr.rule import Equation, Rule, Where

_CONTROL = {**CALLS, **LOOPS}


class Run:
    """One evaluation of a program."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._lifts = type(rule).lift is not Rule.lift
        self._sources = Sources()
        self._control = {**_CONTROL, **rule.controls}

    @property
    def is_plain(self) -> bool:
        """Whether the rule leaves arrays as they are, so that a box is the array itself."""
        return not self._lifts and type(self.rule).primal is Rule.primal

    def closed(
        self, closed: Any, boxes: Sequence[Any], state: Any, where: Where
    ) -> tuple[list[Any], Any]:
        """Evaluates a closed jaxpr on boxes: those of its results, and the state after it."""
        stack = [self._frame(closed, boxes, where)]
        with contextlib.ExitStack() as around:
            while True:
                frame = stack[-1]
                eqn = next(frame.eqns, None)
                if eqn is None:
                    outs = frame.results(self.lift)
                    stack.pop()
                    if not stack:
                        return outs, state
                    frame.left.close()
                    stack[-1].write(outs)
                    continue
                at = self._at(eqn, frame, state)
                found = self._evaluate(at, [frame.read(atom, self.lift) for atom in eqn.invars])
                state = at.state
                if isinstance(found, Call):
                    inner = self._frame(found.closed, found.boxes, found.where)
                    inner.left.enter_context(jaxprs.place_of(eqn))
                    around.callback(inner.left.close)  # if an error leaves all of them at once
                    stack.append(inner)
                else:
                    frame.write(found)

    def _frame(self, closed: Any, boxes: Sequence[Any], where: Where) -> _Frame:
        jaxpr = jaxprs.open_jaxpr(closed)
        fixed = [self.lift(value) for value in jaxprs.constants(closed)]
        variables = [*jaxpr.constvars, *jaxpr.invars]
        env = dict(zip(variables, [*fixed, *boxes], strict=True))
        return _Frame(jaxpr, iter(jaxpr.eqns), env, _last_uses(jaxpr), where)

    def _at(self, eqn: Any, frame: _Frame, state: Any) -> Equation:
        where = frame.where
        line = line_of(self._sources.of(eqn, frame.jaxpr), where.line)
        scope = joined(where.scope, jaxprs.name_stack(eqn))
        inside = (*where.jaxprs, frame.jaxpr)
        return Equation(eqn, where.path, line, scope, state, where.loops, where.outer, inside)

    def _evaluate(self, at: Equation, boxes: list[Any]) -> Sequence[Any] | Call:
        eqn = at.eqn
        control = self._control.get(eqn.primitive.name)
        if control is not None:
            found = control(self, at, boxes)
            if found is not None:
                return found
        if all(jaxprs.is_array_type(v.aval) for v in (*eqn.invars, *eqn.outvars)):
            return self._checked(at, self.rule.equation(at, boxes))
        return self._plain(at, boxes)  # references and tokens are no arrays, and have no boxes

    def lift(self, value: Any) -> Any:
        """The box of a constant; of what is no array, itself."""
        if not self._lifts or not jaxprs.is_array_type(jax.typeof(value)):
            return value
        return self.rule.lift(jaxprs.as_array(value))

    def _plain(self, at: Equation, boxes: Sequence[Any]) -> list[Any]:
        """Evaluates an equation on the arrays alone, and boxes what comes out."""
        arrays = [
            self.rule.primal(box) if jaxprs.is_array_type(atom.aval) else box
            for atom, box in zip(at.eqn.invars, boxes, strict=True)
        ]
        return [self.lift(value) for value in at.run(arrays)]

    def _checked(self, at: Equation, outs: Any) -> Sequence[Any]:
        if not isinstance(outs, (list, tuple)) or len(outs) != len(at.eqn.outvars):
            got = f"{len(outs)}" if isinstance(outs, (list, tuple)) else type(outs).__name__
            raise ValueError(
                f"{type(self.rule).__name__}.equation must return a list of "
                f"{len(at.eqn.outvars)} boxes for {at.primitive!r}, one a result, got {got}"
            )
        return outs


@dataclasses.dataclass(slots=True)
class _Frame:
    """A jaxpr that is being evaluated."""

    jaxpr: Any
    eqns: Iterator[Any]
    env: dict[Any, Any]
    last: list[list[Any]]
    where: Where
    done: int = 0
    left: contextlib.ExitStack = dataclasses.field(default_factory=contextlib.ExitStack)

    def read(self, atom: Any, lift: Any) -> Any:
        return lift(atom.val) if jaxprs.is_literal(atom) else self.env[atom]

    def write(self, outs: Sequence[Any]) -> None:
        """Ends the equation that is under way."""
        self.env.update(zip(self.jaxpr.eqns[self.done].outvars, outs, strict=True))
        for var in self.last[self.done]:
            del self.env[var]
        self.done += 1

    def results(self, lift: Any) -> list[Any]:
        return [self.read(atom, lift) for atom in self.jaxpr.outvars]


def _last_uses(jaxpr: Any) -> list[list[Any]]:
    """After each equation the variables that are needed no more, so that no array outlives it."""
    last: dict[Any, int] = {}
    for index, eqn in enumerate(jaxpr.eqns):
        for atom in (*eqn.invars, *eqn.outvars):
            if not jaxprs.is_literal(atom):
                last[atom] = index
    for atom in jaxpr.outvars:
        if not jaxprs.is_literal(atom):
            last.pop(atom, None)
    found: list[list[Any]] = [[] for _ in jaxpr.eqns]
    for var, index in last.items():
        found[index].append(var)
    return found
