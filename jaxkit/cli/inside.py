"""What happens in the program's own process: nothing until it imports JAX, little after its end.

Nothing is imported before the program that Python has not imported itself: a file of the program's
that is named like a module of the standard library is found as it would be.
"""

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = False  # as typing's, whose import would be one of those
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jaxkit.compiles.watch import Watch

__all__ = ["APPLY", "FDS", "PYTHONPATH", "SPOOL", "start"]

# Environment variables by which `launch` tells what is to be done. None is left when the program
# begins.
SPOOL = "JAXKIT_RUN_SPOOL"
FDS = "JAXKIT_RUN_FDS"
PYTHONPATH = "JAXKIT_RUN_PYTHONPATH"
APPLY = "JAXKIT_RUN_APPLY"


def start() -> None:
    """Arranges for the program to be watched once it imports JAX."""
    fds = os.environ.pop(FDS, "")
    spool = os.environ.pop(SPOOL)
    apply = os.environ.pop(APPLY, "")
    _restore_pythonpath()
    session = _Session(spool, tuple(int(fd) for fd in fds.split(",") if fd))

    from jaxkit.compiles.import_hook import when_imported

    when_imported("jax", session.watch)
    # Registered before anything of the program's, so run after all of it, threads included.
    atexit.register(session.end)
    if apply:
        session.apply(apply)


def _restore_pythonpath() -> None:
    before = os.environ.pop(PYTHONPATH, None)
    if before is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = before


class _Session:
    """The recording of this process, and the line to the monitor, if there is one."""

    def __init__(self, spool: str, fds: tuple[int, ...]) -> None:
        self._spool = spool
        self._process = os.getpid()
        self._streams = (sys.stdout, sys.stderr)
        self._watch: Watch | None = None
        self._undefined: Callable[[], list[Any]] = list
        self._fds = fds
        # Programs close files that are not theirs; the number may be another file's afterwards.
        self._files = [_identity(fd) for fd in fds]
        for fd in fds:
            os.set_inheritable(fd, False)
        if fds:
            os.write(fds[0], b"h")
            os.register_at_fork(after_in_child=self._forget)

    def watch(self) -> None:
        """JAX has been imported."""
        if os.getpid() != self._process:
            return
        try:
            from jaxkit.compiles.watch import Watch

            watch = Watch(jsonl=self._spool)
            watch.log.header(argv=list(sys.argv))
            watch.start()
            self._watch = watch
        except Exception as error:
            # Whatever is wrong with us, the program goes on.
            _say(f"jaxkit: cannot watch this program: {type(error).__name__}: {error}\n")

    def apply(self, text: str) -> None:
        """Arranges for functions of the program to be wrapped."""
        from jaxkit.cli import applied
        from jaxkit.cli.applications import load
        from jaxkit.cli.stop import Stop

        applied.install(applied.Plan(*load(text)), Stop(self.note))
        self._undefined = applied.undefined

    def note(self, **fields: Any) -> None:
        """Writes a line of the recording, also where there is none as JAX was not imported."""
        if self._watch is not None:
            self._watch.log.header(**fields)
            return
        import json

        with open(self._spool, "a", encoding="utf-8") as file:
            file.write(json.dumps({"schema": "jaxkit.run/1", **fields}) + "\n")

    def end(self) -> None:
        """The program has ended by itself."""
        if os.getpid() != self._process:
            return
        try:
            missing = self._undefined()
            if missing:
                self.note(undefined=missing)
            self._note_spans()
            if self._watch is not None:
                self._watch.stop(exit=None)
            self._hand_over()
        except (Exception, KeyboardInterrupt):
            # The monitor notices that it was not told of an end, and reports what was recorded.
            return

    def _note_spans(self) -> None:
        """What the program has measured with jaxkit.timer, outside of recordings of its own."""
        used = sys.modules.get("jaxkit.timing.timer")
        if used is not None:
            from jaxkit.timing.span_report import to_recording

            spans = to_recording(used.PROCESS)
            if spans is not None:
                self.note(spans=spans)

    def _hand_over(self) -> None:
        if [_identity(fd) for fd in self._fds] != self._files or not self._fds:
            return
        for stream in self._streams:
            # The summary is written by another process: what the program said comes before it.
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                continue
        told, answer = self._fds
        try:
            os.write(told, b".")
            answered = os.read(answer, 1)
        except BrokenPipeError:
            answered = b""
        if not answered:
            _say(
                "jaxkit: the process that was to report was killed; what was recorded is in "
                f"{self._spool}: jaxkit report {self._spool}\n"
            )

    def _forget(self) -> None:
        for fd, file in zip(self._fds, self._files, strict=True):
            if _identity(fd) == file:
                os.close(fd)
        self._fds = ()
        self._files = []


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _say(text: str) -> None:
    try:
        os.write(2, text.encode(errors="backslashreplace"))
    except OSError:
        return
