"""How an error that a transform raises ends the program, wherever JAX happens to run it.

On the program's own thread the error goes its way. A compiled program runs on threads of JAX's: an
error there comes to the program as JAX's own, later, or not at all if it never asks for the result.
So that it stops at the first one, the error is then raised on its thread, as Ctrl-C is; and at the
end of the program it is shown in place of JAX's.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock  # of `threading`, which the program may not import
from atexit import register

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from jaxkit.errors import FindingsError

__all__ = ["Stop"]

_MOST = 20
# Seconds that JAX's own error, which comes where the program waits for the result, has to arrive.
_PATIENCE = 0.1


class Stop:
    """What was found in this process, and what became of it.

    Args:
        note: Writes a line of the recording.
    """

    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note
        self._process = os.getpid()
        self._lock = allocate_lock()
        self._first: FindingsError | None = None
        self._count = 0
        self._raised = False
        self._prepared = False
        self._ended = False

    def prepare(self) -> None:
        """Once JAX is there: what still runs when the program ends is waited for before it is."""
        if not self._prepared:
            self._prepared = True
            register(self._settle)

    def found(self, error: FindingsError, *, thread: int | None, raises: bool) -> None:
        """Is told of an error; see `jaxkit.transforms._enclosing`."""
        with self._lock:
            first, self._count = self._first is None, self._count + 1
            if first:
                self._first = error
        if self._count <= _MOST and os.getpid() == self._process:
            for finding in error.report.findings:
                self._note(finding=finding.to_dict())
        if first:
            self._show_ours(error)
        if thread is None:
            self._raised = True
        elif first:
            from jaxkit.transforms._interrupt import Interrupt

            interrupt = Interrupt(error, thread, raised=self._note_raised)
            interrupt.send(after=_PATIENCE if raises else 0, unless=self._is_over)

    def _note_raised(self) -> None:
        self._raised = True

    def _is_over(self) -> bool:
        return self._raised or self._ended

    def _show_ours(self, error: FindingsError) -> None:
        """At an end by JAX's error, what the program shows is ours; JAX does not log it as well."""
        from jaxkit._jax.logs import leave_out

        leave_out(type(error))
        before = sys.excepthook

        def hook(kind: Any, value: BaseException, traceback: TracebackType | None) -> None:
            sys.excepthook = before
            shown = self._in_place_of(value)
            if shown is not value:
                shown.__suppress_context__ = True
                kind = type(shown)
            if isinstance(shown, type(error)):
                vars(shown).pop("__notes__", None)  # JAX's, about frames that it took away
            traceback = _until_users(traceback)
            shown = shown.with_traceback(traceback)
            sys.last_type, sys.last_value, sys.last_traceback = kind, shown, traceback
            sys.last_exc = shown  # type: ignore[attr-defined]  # from Python 3.12
            before(kind, shown, traceback)

        sys.excepthook = hook

    def _in_place_of(self, value: BaseException) -> BaseException:
        first = self._first
        if first is None or type(value).__name__ not in ("JaxRuntimeError", "ExceptionGroup"):
            return value
        texts = [str(each) for each in getattr(value, "exceptions", (value,))]
        if not any(type(first).__name__ in text for text in texts):
            return value
        self._raised = True
        return first

    def _settle(self) -> None:
        """The program has ended, JAX has not: nothing is raised on its thread any more."""
        if os.getpid() != self._process:
            return
        from jaxkit._jax.effects import settle

        with self._lock:
            self._ended = True
        settle()
        if self._first is None or self._raised:
            return
        self._note(unraised=True)
        name = f"{type(self._first).__module__}.{type(self._first).__name__}"
        _say(f"jaxkit: the program ended before it asked for the result\n{name}: {self._first}\n")


def _until_users(traceback: TracebackType | None) -> TracebackType | None:
    """The same without the frames of libraries below the program's last one."""
    from types import TracebackType

    from jaxkit._jax.stack import origin

    found: list[TracebackType] = []
    while traceback is not None:
        found.append(traceback)
        traceback = traceback.tb_next
    users = [origin(each.tb_frame.f_code.co_filename) == "user" for each in found]
    if any(users):
        del found[len(users) - users[::-1].index(True) :]
    kept: TracebackType | None = None
    for each in reversed(found):
        kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return kept


def _say(text: str) -> None:
    try:
        os.write(2, text.encode(errors="backslashreplace"))
    except OSError:
        return
