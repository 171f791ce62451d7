"""Steps that are not finite, found without waiting for any step."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import jax

from jaxkit.numerics.nan_origin import nan_origin
from jaxkit.report import Finding, Report
from jaxkit.training.data import Batch
from jaxkit.training.devices import Placement
from jaxkit.training.step import Program

__all__ = ["Lookout", "explained"]


class _Flight(NamedTuple):
    bad: Any
    batch: Batch


class Lookout:
    """Keeps the batches of the steps that are under way, until it is known that they were fine.

    Those are alive anyway. A flag is read when it is there; at the end, all are waited for.
    """

    def __init__(self) -> None:
        self._flying: deque[_Flight] = deque()

    def add(self, batch: Batch, bad: Any) -> None:
        """Takes a step that has been dispatched.

        Args:
            batch: Its batch.
            bad: Its flag: -1, or the step that was not finite.
        """
        self._flying.append(_Flight(bad, batch))

    def look(self, *, wait: bool = False) -> tuple[Batch, int] | None:
        """The batch of the step that was not finite, and how many steps were begun after it.

        Args:
            wait: Whether to wait for the steps that are under way.
        """
        while self._flying and (wait or self._flying[0].bad.is_ready()):
            flight = self._flying.popleft()
            if int(flight.bad) >= 0:
                after = len(self._flying)
                self._flying.clear()
                return flight.batch, after
        return None


def explained(
    program: Program, placement: Placement, state: Any, batch: Batch, step: int
) -> Report:
    """Which operation of a step made the NaN or the infinity.

    Args:
        program: The programs of the run.
        placement: Where the state is.
        state: The state before the step.
        batch: The step's batch.
        step: Its number.
    """
    state = placement.fetch(state)
    values, weight = placement.whole((batch.values, batch.weight))

    def gradients(state: Any, batch: Any, weight: Any) -> Any:
        return program.gradients(state, batch, weight, split=False)

    def update(state: Any, batch: Any, weight: Any) -> Any:
        (value, _), grads = program.gradients(state, batch, weight, split=False)
        return program.updated(state, grads, value)[0]

    at = f"step {step} (batch {batch.position} of epoch {batch.epoch})"
    for part, fun in (("loss or gradients", gradients), ("update", update)):
        try:
            report = nan_origin(jax.jit(fun))(state, values, weight)
        except Exception as error:  # the run has ended, and that is to be told in any case
            return _told(Report("fit"), f"{at}: could not be analysed ({error});")
        if report.findings or report.data.get("arguments"):
            return _told(report, f"{at}: {part}")
    return _told(report, at)


def _told(report: Report, at: str) -> Report:
    where = report.findings[0].where if report.findings else None
    came = [str(each) for each in report.data.get("arguments", ())]
    what = [found.message for found in report.findings[:1]]
    if came:
        what = [f"NaN came in as {', '.join(map(_readable, came))}"]
    message = f"{at} not finite" + (f": {what[0]}" if what else "")
    data = {"arguments": [_readable(each) for each in came]}
    head = Finding(
        "nonfinite",
        "error",
        message,
        where,
        fix=(
            "look at the batch, or leave such steps out with on_nonfinite='skip'"
            if came
            else report.findings[0].fix
            if report.findings
            else None
        ),
        data=data,
    )
    return Report("fit", [head, *report.findings], report.to_dict()["data"], blocks=report.blocks)


def _readable(path: str) -> str:
    for place, name in (("args[0]", "state"), ("args[1]", "batch"), ("args[2]", "mask")):
        if path.startswith(place):
            return (name + path.removeprefix(place)).replace("state.params", "model")
    return path
