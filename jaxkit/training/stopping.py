"""When a metric has not improved for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, get_args

from jaxkit.training.words import short

__all__ = ["EarlyStopping", "Patience"]

Mode = Literal["min", "max"]


@dataclass(frozen=True)
class EarlyStopping:
    """Ends a run when a metric has not improved for a while.

    It looks at the rows of `result.history` that have the metric: one for each validation for a
    metric such as `validation_loss`, one in `log_every` steps for one of training.

    Example:
        >>> EarlyStopping("validation_accuracy", patience=3, mode="max", restore_best=True).patience
        3

    Args:
        metric: A name in the history.
        patience: After how many rows without an improvement it ends.
        min_delta: How much better than the best counts as an improvement.
        mode: Whether lower (`"min"`) or higher (`"max"`) is better.
        restore_best: Whether `result.model` is that of the best row, not the last: whatever ends
            the run. Takes the memory of one more model.

    Raises:
        TypeError: A metric that is no name, a min_delta that is no number, or a restore_best that
            is no bool.
        ValueError: A patience below 1, a negative min_delta, another mode.
    """

    metric: str = "validation_loss"
    patience: int = 5
    min_delta: float = 0.0
    mode: Mode = "min"
    restore_best: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str):
            raise TypeError(
                f"metric must be a name in the history, got metric={short(self.metric)}: write "
                "EarlyStopping('validation_loss', patience=5)"
            )
        if not isinstance(self.min_delta, Real):
            raise TypeError(f"min_delta must be a number, got min_delta={short(self.min_delta)}")
        if not isinstance(self.restore_best, bool):
            raise TypeError(
                f"restore_best must be True or False, got restore_best={short(self.restore_best)}"
            )
        whole = isinstance(self.patience, int) and not isinstance(self.patience, bool)
        if not whole or self.patience < 1:
            raise ValueError(f"patience must be 1 or more, got patience={short(self.patience)}")
        if not self.min_delta >= 0:
            raise ValueError(f"min_delta must be 0 or more, got min_delta={short(self.min_delta)}")
        if self.mode not in get_args(Mode):
            raise ValueError(f"mode must be 'min' or 'max', got mode={short(self.mode)}")


class Patience:
    """How long a run has waited for an improvement.

    Args:
        rule: When it ends; None for never.
    """

    def __init__(self, rule: EarlyStopping | None) -> None:
        self._rule = rule
        self._best: float | None = None
        self._waited = 0
        self._step = 0

    @property
    def best(self) -> tuple[int, float] | None:
        """The step and the metric of the best row; None before there is one."""
        return None if self._best is None else (self._step, self._best)

    @property
    def over(self) -> bool:
        """Whether it has waited long enough."""
        return self._rule is not None and self._waited >= self._rule.patience

    def look(self, row: Mapping[str, Any]) -> bool:
        """Takes a new row of the history; whether it is the best so far."""
        if self._rule is None or self._rule.metric not in row:
            return False
        value = float(row[self._rule.metric])
        sign = 1.0 if self._rule.mode == "min" else -1.0
        # Written so that NaN is no improvement.
        better = self._best is None or sign * value < sign * self._best - self._rule.min_delta
        better = better and value == value
        if better:
            self._best, self._waited, self._step = value, 0, row["step"]
        else:
            self._waited += 1
        return better

    def check(self, names: set[str]) -> None:
        """Refuses a metric that will never be in the history.

        Args:
            names: What will be in it.

        Raises:
            ValueError: The metric is not among them.
        """
        if self._rule is not None and self._rule.metric not in names:
            raise ValueError(
                "early_stopping looks at a metric of this run, got "
                f"metric={short(self._rule.metric)}: there are {', '.join(sorted(names))}"
            )

    def save(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self._best, "waited": self._waited, "step": self._step}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Goes on from what `save` returned."""
        self._best, self._waited, self._step = saved["best"], saved["waited"], saved["step"]
