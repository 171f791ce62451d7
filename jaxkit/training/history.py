"""The rows of a run's history: means of metrics, read without waiting for the device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["History", "loss_first"]


def loss_first(metrics: Mapping[str, Any]) -> list[str]:
    """The names of metrics, which a jitted function returns in alphabetical order."""
    return sorted(metrics, key=lambda name: name != "loss")


class History:
    """What has been measured, in rows.

    A row has `step`, `epoch`, and the mean of each metric over the steps since the row before;
    steps whose loss is not finite are left out of it. Where there was a validation, its metrics
    stand beside them.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._waiting: list[Mapping[str, Any]] = []
        self._sums: dict[str, float] = {}
        self._count = 0
        self._lost = 0

    def add(self, metrics: Mapping[str, Any]) -> None:
        """Takes the metrics of a step, which may still be under way."""
        self._waiting.append(metrics)

    @property
    def waiting(self) -> bool:
        """Whether there are steps that no row has yet."""
        return bool(self._waiting or self._count or self._lost)

    def forget(self, count: int) -> None:
        """Leaves out the last steps."""
        if count:
            del self._waiting[-count:]

    def row(self, step: int, epoch: int, more: Mapping[str, float] | None = None) -> dict[str, Any]:
        """Ends a row, and waits for its steps.

        Args:
            step: Steps done.
            epoch: The epoch they are in.
            more: What else stands in it.

        Returns:
            What is new. Where there is a row of this step already it is added to that.
        """
        self._settle()
        row: dict[str, Any] = {"step": step, "epoch": epoch}
        if self._count:
            row |= {name: total / self._count for name, total in self._sums.items()}
        elif self._lost:
            row["loss"] = math.nan
        row |= more or {}
        self._sums, self._count, self._lost = {}, 0, 0
        if self.rows and self.rows[-1]["step"] == step:
            self.rows[-1] |= row
        else:
            self.rows.append(dict(row))
        return row

    def _settle(self) -> None:
        """Adds up the metrics that have been waiting."""
        waiting, self._waiting = self._waiting, []
        for metrics in waiting:
            # By NumPy, which is faster than `float` of an array of JAX.
            values = {name: float(np.asarray(metrics[name])) for name in loss_first(metrics)}
            if not math.isfinite(values["loss"]):
                self._lost += 1
                continue
            self._count += 1
            for name, value in values.items():
                self._sums[name] = self._sums.get(name, 0.0) + value

    def save(self) -> dict[str, Any]:
        """What a checkpoint keeps, JSON's types only."""
        self._settle()
        return {
            "rows": [dict(row) for row in self.rows],
            "sums": dict(self._sums),
            "count": self._count,
            "lost": self._lost,
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Goes on from what `save` returned."""
        self.rows = [dict(row) for row in saved["rows"]]
        self._sums, self._count = dict(saved["sums"]), saved["count"]
        self._lost = saved["lost"]
