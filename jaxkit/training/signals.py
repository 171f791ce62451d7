"""SIGTERM and Ctrl-C: the step is finished, then the run ends."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["Signals"]


class Signals:
    """Notes SIGTERM and Ctrl-C instead of ending the process; a second Ctrl-C ends it.

    Only on the main thread, where Python allows it, and only while a run is under way: what was
    there before is put back. A signal that was ignored stays ignored, and a handler of the user's
    own for SIGINT is left alone.
    """

    def __init__(self) -> None:
        # "signal" or "interrupted", once there was one.
        self.got: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, None):
                self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._terminate)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.got = "signal"

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.got == "interrupted":
            raise KeyboardInterrupt
        self.got = "interrupted"
