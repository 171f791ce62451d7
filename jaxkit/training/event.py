"""What a callback is told after each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """Where a run is; given to each callback after each step.

    The step has been dispatched, not waited for: who reads a metric's value waits for it.

    Args:
        step: Steps done.
        epoch: The epoch it was in, from 0.
        metrics: `loss` and what else the loss returns, as arrays of one number.
    """

    step: int
    epoch: int
    metrics: Mapping[str, Any]
    _model: Callable[[], Any] = field(repr=False)

    @property
    def model(self) -> Any:
        """The model after this step: a copy, which stays when training goes on."""
        return self._model()
