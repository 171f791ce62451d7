"""How long measuring may take, and the garbage collector's part in it."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator

from jaxkit.errors import UsageError

__all__ = ["Budget", "checked_seconds", "quiet"]


class Budget:
    """The seconds that everything together may take, counted from now.

    Args:
        seconds: How many.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begin = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._begin

    @property
    def left(self) -> float:
        """Seconds that are left; negative where it took longer."""
        return self.seconds - self.spent

    def allows(self, seconds: float) -> bool:
        """Whether there is time for one more call, which may end half of the budget too late.

        Args:
            seconds: Of the call.
        """
        return seconds < max(self.left, 0.0) + 0.5 * self.seconds

    @property
    def share(self) -> float:
        """How much is spent, from 0 to 1."""
        return min(self.spent / self.seconds, 1.0)


def checked_seconds(name: str, value: float) -> float:
    """The number of seconds that was given.

    Args:
        name: Of the option.
        value: What was given.

    Raises:
        TypeError: It is no number.
        UsageError: It is not above zero, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, got {name}={value!r}")
    if not 0 < value < float("inf"):
        raise UsageError(f"{name} must be above 0 and finite, got {name}={value!r}")
    return float(value)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection in here; afterwards as before."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
