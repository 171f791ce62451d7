"""A line on the terminal: how far a run is, and its metric."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Self

__all__ = ["Bar"]


class Bar:
    """A bar on stderr, drawn when it is told something; there is no thread beside the run.

    Args:
        wanted: True or False to show it in any case or in none; None where stderr is a terminal.
        metric: The name of the metric that it shows.
        total: How many steps there will be, None if that is not known.
    """

    def __init__(self, wanted: bool | None, metric: str, total: int | None) -> None:
        terminal = bool(getattr(sys.stderr, "isatty", bool)())
        self._shown = terminal if wanted is None else wanted
        self._metric, self._total = metric, total
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._shown:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                auto_refresh=False,
            )
            self._task = self._bar.add_task("fit", total=self._total)
            self._bar.start()
        return self

    def tell(self, step: int, row: Mapping[str, Any]) -> None:
        """Says how far it is.

        Args:
            step: Steps done.
            row: The newest of the history.
        """
        if self._bar is None:
            return
        value = row.get(self._metric)
        shown = "" if value is None else f"  {self._metric} {value:.4g}"
        text = f"fit  epoch {row['epoch']}{shown}"
        self._bar.update(self._task, completed=step, description=text, refresh=True)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()
