"""The log of a run's compilations: those of its own thread."""

from __future__ import annotations

from jaxkit.compiles.event import CompileEvent
from jaxkit.compiles.log import CompileLog
from jaxkit.compiles.reading import thread_name
from jaxkit.compiles.watch import Watch

__all__ = ["watch_here"]


class _Here(CompileLog):
    """Leaves out what other threads compile, which is not of this run."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = thread_name()

    def record(self, event: CompileEvent) -> None:
        if event.thread == self._thread:
            super().record(event)


def watch_here() -> Watch:
    """A watch of what this thread compiles, to be started."""
    watch = Watch()
    watch.log = _Here()
    return watch
