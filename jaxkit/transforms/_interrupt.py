"""Raising an error in another thread: what JAX found on a thread of its own, the program is told.

A callback that raises ends the program that it is part of. With several devices that is no way out:
those that have not raised wait for the others in their next collective operation, on CPUs until the
process is aborted. Then, and where nothing would ask for the result, the error is raised where the
program is by now, as Ctrl-C is.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any, cast

from jaxkit._jax.threads import starts_program
from jaxkit.errors import FindingsError

__all__ = ["Interrupt"]

# Seconds after which it is raised wherever the thread is.
_PATIENCE = 1.0


class Interrupt:
    """An error on its way to a thread.

    Args:
        error: What is raised there, as an equal one of a class of its own.
        thread: The thread's `ident`.
        raised: Is called on that thread when it is raised.
    """

    def __init__(
        self, error: FindingsError, thread: int, *, raised: Callable[[], None] | None = None
    ) -> None:
        self._error = error
        self._thread = thread
        self._on_raised = raised
        self.pending = True

    def send(self, *, after: float = 0.0, unless: Callable[[], bool] = lambda: False) -> None:
        """Has it raised before one of the thread's next instructions in Python.

        But not while JAX starts a program there, and has not noted yet that it runs.

        Args:
            after: Seconds to wait before.
            unless: Whether it is needed no more.
        """

        def wait() -> None:
            time.sleep(after)
            end = time.monotonic() + _PATIENCE
            while starts_program(self._thread) and time.monotonic() < end and not unless():
                time.sleep(0.0002)
            if unless():
                return
            # A class: Python makes the exception there, without arguments.
            thread, error = ctypes.c_ulong(self._thread), ctypes.py_object(self._as_class())
            if not ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, error):
                self.pending = False  # the thread has ended

        threading.Thread(target=wait, daemon=True).start()

    def _as_class(self) -> type[BaseException]:
        error: Any = self._error
        kind: Any = cast(Any, type(error))

        def create(this: Any) -> None:
            kind.__init__(this, error.report, str(error))
            this.__suppress_context__ = True
            self.pending = False
            if self._on_raised is not None:
                self._on_raised()

        names = {"__init__": create, "__module__": kind.__module__, "__doc__": kind.__doc__}
        return type(kind.__name__, (kind,), {**names, "__qualname__": kind.__qualname__})
