"""Steps that are not finite, found without waiting for any step."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxkit.numerics.nan_origin import nan_origin
from jaxkit.report import Finding, Report
from jaxkit.training.data import Batch
from jaxkit.training.devices import Placement
from jaxkit.training.state import State
from jaxkit.training.step import Program

__all__ = ["Lookout", "explained"]


_FEW = 8  # steps, before it is worth a look


class _Flight(NamedTuple):
    step: int
    batch: Batch
    bad: Any


class Lookout:
    """Keeps the batches of the steps that are under way, until it is known that they were fine.

    Those are alive anyway, but for the last few. A flag is read when it is there; at the end, all
    are waited for.
    """

    def __init__(self) -> None:
        self._flying: deque[_Flight] = deque()

    def add(self, step: int, batch: Batch, bad: Any) -> None:
        """Takes a step that has been dispatched.

        Args:
            step: Its number.
            batch: Its batch.
            bad: Its flag: -1, or the number of the first step that was not finite.
        """
        self._flying.append(_Flight(step, batch, bad))

    def look(self, *, wait: bool = False) -> tuple[Batch, int] | None:
        """The batch of the step that was not finite, and how many steps were begun after it.

        Args:
            wait: Whether to wait for the steps that are under way.
        """
        flying = self._flying
        there = len(flying)
        if not wait:
            there = next((i for i, each in enumerate(flying) if not each.bad.is_ready()), there)
        if there == 0:
            return None
        # It stays, once there is one: the newest flag is that of all before it.
        bad = int(np.asarray(flying[there - 1].bad))
        found = None
        while there and found is None:
            flight, there = flying.popleft(), there - 1
            if flight.step == bad:
                found = flight.batch, len(flying)
                flying.clear()
        return found

    @property
    def worth_it(self) -> bool:
        """Whether there are so many steps that a look costs little for each."""
        return len(self._flying) >= _FEW


def explained(
    program: Program, placement: Placement, state: State, batch: Batch, step: int
) -> Report:
    """Which operation of a step made the NaN or the infinity.

    Args:
        program: The programs of the run.
        placement: Where the batch is.
        state: The state before the step, of one device.
        batch: The step's batch.
        step: Its number.
    """
    # Without padding, so that no equation of ours stands in the user's way.
    values = jax.tree.map(lambda x: x[: batch.rows], placement.whole(batch.values))

    def gradients(state: Any, batch: Any) -> Any:
        return program.gradients(state, batch, None, split=False)

    at = f"step {step} (batch {batch.position} of epoch {batch.epoch}): loss or gradients"
    spoilt = [
        f"model{jax.tree_util.keystr(path)}"
        for path, leaf in jax.tree_util.tree_flatten_with_path(state.params)[0]
        if not np.isfinite(leaf).all()
    ]
    given = int(state.step) == 0
    try:
        report = nan_origin(jax.jit(gradients))(state, values)
    except Exception as error:  # the run has ended, and that is to be told in any case
        report, at = Report("nan_origin"), f"{at} could not be analysed ({error}),"
    return _told(report, at, spoilt, given=given)


def _told(report: Report, at: str, spoilt: list[str], *, given: bool) -> Report:
    first = next(iter(report.findings), None)
    came = [_readable(str(each)) for each in report.data.get("arguments", ())]
    why, fix = ("", None) if first is None else (f": {first.message}", first.fix)
    if spoilt and given:
        why = f": {', '.join(spoilt)} was not in the model that was given"
        fix = "give a model of finite numbers"
    elif spoilt:
        why = f": {', '.join(spoilt)} was not, after the update of the step before"
        fix = "lower the learning rate, or clip gradients: jaxkit.clip_gradients in transforms="
    elif came:
        why = f": NaN came in as {', '.join(came)}"
        fix = "look at the batch, or leave such steps out with on_nonfinite='skip'"
    where = None if first is None else first.where
    kind = None if first is None else first.kind
    data = {"arguments": came, "kind": kind}
    head = Finding("nonfinite", "error", f"{at} not finite{why}", where, fix, data)
    # The first of its findings stands in the head.
    rest, data = report.findings[1:], report.to_dict()["data"]
    return Report("fit", [head, *rest], data, blocks=report.blocks)


def _readable(path: str) -> str:
    for place, name in (("args[0]", "state"), ("args[1]", "batch")):
        if path.startswith(place):
            return name + path.removeprefix(place)
    return path
