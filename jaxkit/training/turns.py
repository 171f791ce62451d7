"""Runs of one process take turns with Orbax: its counters and signals are those of the process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Protocol

__all__ = ["in_turn", "over"]


class _Writer(Protocol):
    def wait(self) -> None: ...


_LOCK = threading.RLock()
# Whose checkpoint may still be being written in the background.
_writers: list[_Writer] = []


@contextlib.contextmanager
def in_turn(writer: _Writer) -> Iterator[None]:
    """Inside no other thread uses Orbax, and nothing of another run is still being written.

    Two runs that save at once would take each other's signals for their own: folders are written
    to before they are made, or waited for without end. A run that is alone waits for nothing.

    Args:
        writer: Who uses it; waited for when another one comes.
    """
    with _LOCK:
        for other in [each for each in _writers if each is not writer]:
            # What went wrong with it, it is told itself when it waits.
            with contextlib.suppress(Exception):
                other.wait()
            _writers.remove(other)
        if writer not in _writers:
            _writers.append(writer)
        yield


def over(writer: _Writer) -> None:
    """Nothing of this one is being written any more.

    Args:
        writer: Who was in turn.
    """
    with _LOCK:
        if writer in _writers:
            _writers.remove(writer)
