"""Runs a check where nothing that it leaves behind can reach the next one."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax

__all__ = ["TimedOutError", "in_a_thread_of_its_own", "settings"]

_names = itertools.count()
# The longest that one law or check may take; what hangs would otherwise hang the whole suite.
SECONDS = 120.0


class TimedOutError(Exception):
    """A check did not end.

    Args:
        message: How long it was waited for.
        busy: Whether it is still at work; if not, it waits for something that will not come.
    """

    def __init__(self, message: str, *, busy: bool = False) -> None:
        super().__init__(message)
        self.busy = busy


def settings() -> dict[str, Any]:
    """JAX's process-wide configuration, by name."""
    return dict(jax.config.values)


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Puts back JAX's configuration and the environment as they were."""
    before, environment = settings(), dict(os.environ)
    try:
        yield
    finally:
        for name, value in settings().items():
            if name in before and before[name] is not value and before[name] != value:
                jax.config.update(name, before[name])
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)


def in_a_thread_of_its_own(run: Callable[[], Any], *, seconds: float = SECONDS) -> Any:
    """The value of `run()`, whose thread-local settings die with its thread.

    Args:
        run: A function without arguments.
        seconds: How long it may take.

    Returns:
        What it returns; 64-bit mode is on in it if it is on here.

    Raises:
        TimedOutError: It did not end.
        BaseException: Whatever it raises.
    """
    result: list[Any] = []
    raised: list[BaseException] = []
    x64 = bool(jax.config.jax_enable_x64)

    def body() -> None:
        try:
            with jax.enable_x64(x64):
                result.append(run())
        except BaseException as error:
            raised.append(error)

    with kept(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        worker = threading.Thread(target=body, name=f"jaxkit-check-{next(_names)}", daemon=True)
        worker.start()
        worker.join(seconds)
    if worker.is_alive():
        cpu = time.process_time()
        worker.join(1.0)
        busy = time.process_time() - cpu > 0.1
        raise TimedOutError(f"no end within {seconds:.0f} s", busy=busy)
    if raised:
        raise raised[0]
    return result[0]
