"""A bar on a terminal, for what takes more than two seconds."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

__all__ = ["Progress"]

_PATIENCE = 2.0  # seconds


class Progress:
    """Shows how much of the time has gone; nothing for two seconds, nothing without a terminal.

    Args:
        title: What is under way.
        wanted: True or False to show it in any case or in none.
    """

    def __init__(self, title: str, wanted: bool | None = None) -> None:
        self._title = title
        self._wanted = wanted
        self._begin = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def tell(self, share: float) -> None:
        """Says how far it is.

        Args:
            share: From 0 to 1.
        """
        if self._start():
            self._bar.update(self._task, completed=min(share, 1.0), refresh=True)

    def _start(self) -> bool:
        if self._bar is not None:
            return True
        late = time.monotonic() - self._begin >= _PATIENCE
        terminal = bool(getattr(sys.stderr, "isatty", bool)())
        if not (self._wanted if self._wanted is not None else late and terminal):
            return False
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress as Bar

        # Drawn when told, between two rounds: a thread of its own would run beside the clock.
        self._bar = Bar(console=Console(stderr=True), transient=True, auto_refresh=False)
        self._task = self._bar.add_task(escape(self._title), total=1.0)
        self._bar.start()
        return True

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()
