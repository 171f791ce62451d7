"""The numbers of a run, checked when they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxkit.training.event import Progress
from jaxkit.training.stopping import EarlyStopping
from jaxkit.training.words import short

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """How long a run is, and what happens how often; the arguments are those of `fit`.

    Raises:
        TypeError: An option of another type.
        ValueError: A number below 1.
    """

    epochs: int | None
    steps: int | None
    validate_every: int | None
    log_every: int
    metric: str
    callbacks: Sequence[Callable[[Progress], Any]]
    early_stopping: EarlyStopping | None

    def __post_init__(self) -> None:
        for name in ("epochs", "steps", "validate_every", "log_every"):
            value = getattr(self, name)
            if value is None and name != "log_every":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be an int of 1 or more, got {name}={short(value)}")
        self._check_callbacks()
        rule = self.early_stopping
        if rule is not None and not isinstance(rule, EarlyStopping):
            raise TypeError(
                f"early_stopping must be an EarlyStopping, got early_stopping={short(rule)}: "
                "write EarlyStopping('validation_loss', patience=5)"
            )
        if not isinstance(self.metric, str):
            raise TypeError(
                f"metric must be a name in the history, got metric={short(self.metric)}"
            )

    def _check_callbacks(self) -> None:
        given: Any = self.callbacks
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise TypeError(
                "callbacks must be a list of functions, as in callbacks=[print], got "
                f"callbacks={short(given)} of type {type(given).__name__}"
            )
        for each in given:
            if not callable(each):
                raise TypeError(f"callbacks must be functions of one Progress, got {short(each)}")

    def check_metric(self, names: set[str]) -> None:
        """Refuses a metric for the bar that this run does not have.

        Args:
            names: Those it has.

        Raises:
            ValueError: The metric is not among them.
        """
        if self.metric not in names:
            raise ValueError(
                f"metric must be one of this run's, got metric={short(self.metric)}: there are "
                f"{', '.join(sorted(names))}"
            )

    def limit(self, batches: Any) -> int | None:
        """How many steps there will be at most, None if that is not known."""
        try:
            length = len(batches)
        except TypeError:
            return self.steps
        counts = [self.steps, None if self.last_epoch is None else self.last_epoch * length]
        return min((each for each in counts if each is not None), default=None)

    @property
    def last_epoch(self) -> int | None:
        """How many epochs there are, None if only the number of steps counts."""
        return 1 if self.epochs is None and self.steps is None else self.epochs
