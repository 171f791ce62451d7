"""Raising what a compiled program found out about itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import jax

from jaxkit.errors import NonFiniteError
from jaxkit.transforms._enclosing import current
from jaxkit.transforms._interrupt import Interrupt

__all__ = ["Raiser", "on_a_thread"]


class Raiser:
    """Raises an error where the program is told of it, once the enclosing run knows."""

    def __init__(self) -> None:
        self._run = current()
        self._interrupt: Interrupt | None = None

    def here(self, error: NonFiniteError) -> None:
        """On the program's own thread."""
        if self._run is not None:
            self._run.found(error)
        raise error

    def from_callback(self, error: NonFiniteError, thread: int) -> None:
        """In a callback of a program that was started by the thread.

        With several devices the others would wait for one that raised: then it is raised in the
        thread, wherever that is by then.
        """
        alone = jax.device_count() == 1
        if self._run is not None:
            self._run.found(error, thread=thread, raises=alone)
        if alone:
            raise error
        waiting = self._interrupt is not None and self._interrupt.pending
        if self._run is None and not waiting:
            self._interrupt = Interrupt(error, thread)
            self._interrupt.send()


def on_a_thread(work: Callable[[], Any], *, seconds: float) -> Any:
    """What `work` returns, run on a thread of its own: a callback may not wait for JAX itself.

    Args:
        work: Uses JAX.
        seconds: How long it may take until JAX answers at all; None is returned if it does not.

    Raises:
        BaseException: What `work` raised.
    """
    found: list[Any] = []
    alive = threading.Event()

    def run() -> None:
        try:
            jax.block_until_ready(jax.numpy.zeros(()) + 1)
            alive.set()
            found.append((work(), None))
        except BaseException as error:
            found.append((None, error))
            alive.set()

    worker = threading.Thread(target=run, name="jaxkit nan_origin", daemon=True)
    worker.start()
    if not alive.wait(seconds):
        return None
    worker.join()
    result, error = found[0]
    if error is not None:
        raise error
    return result
