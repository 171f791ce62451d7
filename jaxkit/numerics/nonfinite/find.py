"""The findings on a program whose outputs are not finite."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

from jaxkit._jax.jaxprs import Program
from jaxkit.compiles.summary import place
from jaxkit.jaxpr import Equation
from jaxkit.numerics.nonfinite.describe import finding_of
from jaxkit.numerics.nonfinite.events import Events, Outcome
from jaxkit.report import Finding

__all__ = ["Origin", "find"]


def find(program: Program, inputs: Sequence[Any], *, barriers: bool = False) -> list[Finding]:
    """Why outputs of a program are NaN or infinite: the operations that made them so.

    Args:
        program: The program, as `jaxprs.trace` gives it.
        inputs: A value for each of its inputs.
        barriers: Whether each equation is evaluated by itself, as JAX does outside of `jax.jit`.

    Returns:
        A finding for each event that spoils an output, the first of them first; none if all is
        finite, or if what is not was given: by an argument or a constant.
    """
    return Origin(program, barriers=barriers).of(inputs)[1]


class Origin:
    """As `find`, for several inputs: the program is compiled once.

    Args:
        program: The program.
        barriers: As `find` has them.
        apart: Whether each equation is compiled by itself, too.
    """

    def __init__(self, program: Program, *, barriers: bool = False, apart: bool = False) -> None:
        self._written = program.written
        self._events = Events(program, barriers=barriers, apart=apart)
        self._choices = lambda: Events(program, barriers=barriers, apart=apart, choosing=True)
        self._chosen: Events | None = None
        self.leaves = leaf_names(program.results)

    def of(self, inputs: Sequence[Any]) -> tuple[Outcome, list[Finding]]:
        """What was seen, and the findings on it."""
        outcome = self._events.of(inputs)
        if outcome.events or outcome.arguments or not any(nan for nan, _ in outcome.bad):
            return outcome, self._told(outcome)
        # A constant, then, as that with which a function says that what it was given is wrong.
        if self._chosen is None:
            self._chosen = self._choices()
        chosen = self._chosen.of(inputs)
        outcome = dataclasses.replace(outcome, arguments=chosen.arguments)
        return outcome, self._told(chosen)

    def _told(self, outcome: Outcome) -> list[Finding]:
        found: dict[Any, Finding] = {}
        for number, event in enumerate(outcome.events):
            finding = finding_of(event, self._written, self.leaves)
            if event.at.primitive == "select_n":
                finding = _as_chosen(finding)
            if event.through is not None:
                finding = _as_looked_at(finding, event.through)
            where = finding.where
            found.setdefault((where.file, where.line) if where else number, finding)
        return list(found.values())


def _as_chosen(finding: Finding) -> Finding:
    place = finding.message.partition(" = nan, ")[2] or finding.message
    return dataclasses.replace(
        finding,
        message=f"a condition chose NaN, which stands there as a constant, {place}",
        fix="look at the condition, as of `jnp.where(ok, x, jnp.nan)`: this is how a function says "
        "that what it was given is wrong, such as an index out of range",
    )


def _as_looked_at(finding: Finding, condition: Equation) -> Finding:
    """Of what a condition has looked at, when it chose a NaN that is a constant."""
    where = condition.where
    at = "" if where is None else f" at {place(where.file, where.line)}"
    return dataclasses.replace(
        finding,
        message=f"{finding.message}; it comes there through the condition{at}, which looked at it "
        "and chose NaN",
        data={**finding.data, "through": None if where is None else where.to_dict()},
    )


def leaf_names(results: Any) -> list[str]:
    """What the leaves of an output are called: `output['loss']`."""
    paths = jax.tree_util.tree_flatten_with_path(results)[0]
    return [f"output{jax.tree_util.keystr(path)}" for path, _ in paths]
