"""`jaxkit.watch`: record every compilation, why it happened and what it cost."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

from jaxkit.compiles.event import CompileEvent
from jaxkit.compiles.log import CompileLog


class Watch:
    """A watch that is started and stopped by hand; `watch` is the form for programs.

    Args:
      jsonl: file to which each event is written as it happens; replaced if it exists.
      on_compile: called with each event on the thread that compiled.
    """

    def __init__(
        self,
        *,
        jsonl: str | os.PathLike[str] | None = None,
        on_compile: Callable[[CompileEvent], None] | None = None,
    ) -> None:
        if on_compile is not None and not callable(on_compile):
            raise TypeError(
                "on_compile must be a function of one CompileEvent, got "
                f"on_compile={on_compile!r} of type {type(on_compile).__name__}"
            )
        self.log = CompileLog(jsonl=jsonl, on_compile=on_compile)
        self._on = False
        self._pid = os.getpid()
        if jsonl is not None:
            self.log.header(start=time.time(), pid=self._pid, versions=_versions())

    def start(self) -> CompileLog:
        """Begins to listen; imports JAX if need be."""
        if not self._on:
            from jaxkit.compiles.identity import TOKENS
            from jaxkit.compiles.recorder import RECORDER

            self.log.is_alive = TOKENS.is_alive
            RECORDER.add(self.log)
            self._on = True
        return self.log

    def start_when_jax_is_imported(self) -> CompileLog:
        """Begins to listen as soon as the program has imported JAX, which is left to it."""
        from jaxkit.compiles.import_hook import when_imported

        when_imported("jax", self._start_quietly)
        return self.log

    def _start_quietly(self, *_: Any) -> None:
        try:
            self.start()
        except Exception:
            self.log.note("not_watched")

    def stop(self, **closing: Any) -> None:
        """Stops listening and closes the recording; ``closing`` is written as its last line."""
        if os.getpid() != self._pid:
            return
        if self._on:
            from jaxkit.compiles.found import settle
            from jaxkit.compiles.recorder import RECORDER

            settle()
            RECORDER.remove(self.log)
            self._on = False
        if closing and self.log.path is not None:
            self.log.header(
                end=time.time(),
                wall_seconds=self.log.wall_seconds,
                notes=self.log.notes,
                **closing,
            )
        self.log.close()


@contextlib.contextmanager
def watch(
    *,
    jsonl: str | os.PathLike[str] | None = None,
    on_compile: Callable[[CompileEvent], None] | None = None,
) -> Iterator[CompileLog]:
    """Records what JAX traces, lowers and compiles, in the whole process, and why.

    Watching costs nothing while nothing is compiled: JAX sends no signal for a call that hits
    its cache. Watches nest; each has a log and a history of its own.

    Example:
      >>> import jax, numpy as np, jaxkit
      >>> @jax.jit
      ... def total(batch):
      ...     return batch["x"].sum()
      >>> with jaxkit.watch() as log:
      ...     for rows in (32, 32, 4):
      ...         _ = total({"x": np.ones((rows, 8), np.float32)})
      >>> cause = log.recompiles[0].causes[0]
      >>> cause.kind, cause.path, cause.before, cause.after
      ('shape-change', "batch['x']", 'f32[32,8]', 'f32[4,8]')

    Args:
      jsonl: file to which each event is written as one line of JSON as it happens, so that a
        killed process loses nothing. An existing file is replaced.
      on_compile: called with each `CompileEvent` once it is whole, on the thread that compiled.
        An exception in it is counted in the report and goes no further.

    Yields:
      The `CompileLog`, readable during the watch and after it.

    Raises:
      OSError: ``jsonl`` cannot be written; said before anything runs.
      TypeError: ``on_compile`` is not callable.

    References:
      The signals are those of `jax.monitoring`; jax-ml/jax#4274 and #27993 ask for what is made
      of them here.
    """
    watcher = Watch(jsonl=jsonl, on_compile=on_compile)
    try:
        yield watcher.start()
    finally:
        watcher.stop(exit=None)


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("jax", "jaxlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
