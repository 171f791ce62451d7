"""A line that says how far something is, on a terminal, once it has taken a while."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

__all__ = ["Progress"]

_PATIENCE = 2.0  # seconds


class Progress:
    """Tells nothing for two seconds, and never where standard error is no terminal.

    Args:
        title: What is under way.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._begin = time.monotonic()
        self._status: Any = None

    def __enter__(self) -> Self:
        return self

    def tell(self, text: str) -> None:
        """Says how far it is."""
        if self._status is None:
            if time.monotonic() - self._begin < _PATIENCE or not sys.stderr.isatty():
                return
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        self._status.update(f"{self._title}: {text}")

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()
