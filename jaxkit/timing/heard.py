"""Compilations while the clock runs."""

from __future__ import annotations

from collections import deque
from typing import Any, Self

from jaxkit.compiles.event import CompileEvent
from jaxkit.compiles.watch import Watch

__all__ = ["Heard"]


class Heard:
    """Counts what JAX compiles, and keeps the last of it with its causes.

    Attributes:
        count: Programs compiled so far.
        seconds: What tracing, lowering and compiling them took.
        events: The last compilations.
    """

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.events: deque[CompileEvent] = deque(maxlen=64)
        self._watch = Watch(on_compile=self._hear)

    def _hear(self, event: CompileEvent) -> None:
        self.seconds += sum(event.seconds.values())
        if event.compiled:
            self.count += 1
            self.events.append(event)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._watch.stop()
