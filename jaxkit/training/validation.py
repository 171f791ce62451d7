"""The metrics of other batches than those trained on."""

from __future__ import annotations

from typing import Any

import jax

from jaxkit.training.data import Data
from jaxkit.training.history import loss_first
from jaxkit.training.step import Program

__all__ = ["Validation"]


class Validation:
    """Measures on held-out batches.

    Args:
        data: The batches, gone through each time.
        program: The programs of the run.
        listed: Whether they are the same each time, so that looking at one takes none away.
    """

    def __init__(self, data: Data, program: Program, *, listed: bool) -> None:
        self._data, self._program, self._listed = data, program, listed
        # How often there was a validation: the number of the next.
        self.count = 0

    def check(self, state: list[Any]) -> None:
        """Looks at the first batch, and at what the loss makes of it, before a step is computed.

        Args:
            state: The leaves of the run's state.

        Raises:
            ValueError: There is none, or it cannot be measured.
        """
        if self._listed:
            batch = next(self._data.epoch(self.count))
            jax.eval_shape(self._program.validate, state, batch.values, batch.weight)

    def measure(self, state: list[Any]) -> dict[str, float]:
        """Means over all examples, as `validation_loss` and so on.

        Args:
            state: The leaves of the run's state, whose parameters are measured.
        """
        found: list[tuple[Any, int]] = []
        for batch in self._data.epoch(self.count):
            metrics = self._program.validate(state, batch.values, batch.weight)
            found.append((metrics, batch.rows))
        self.count += 1
        total = sum(rows for _, rows in found)
        sums: dict[str, float] = {}
        for metrics, rows in jax.device_get(found):
            for name in loss_first(metrics):
                sums[name] = sums.get(name, 0.0) + float(metrics[name]) * rows
        return {f"validation_{name}": value / total for name, value in sums.items()}
