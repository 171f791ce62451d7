"""The run that stands around a transform: where `jaxkit run --apply` has put it on a function.

A transform reads `current()` when it wraps, on the program's own thread; what it was told then is
good for all threads, those of JAX's callbacks included, which see no context variables.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextvars import ContextVar
from typing import Protocol

from jaxkit.errors import FindingsError

__all__ = ["ENCLOSING", "Enclosing", "current"]


class Enclosing(Protocol):
    """What a run knows that a transform does not, and the other way round."""

    @property
    def definition(self) -> Hashable:
        """The definition that is wrapped: the same for all functions that it makes."""
        ...

    def found(
        self, error: FindingsError, *, thread: int | None = None, raises: bool = True
    ) -> None:
        """Is told of an error just before it is raised, on whatever thread that is.

        Args:
            error: The error.
            thread: The thread of the program that is to be told, if it is found on one of JAX's
                own; None if it is raised on the program's.
            raises: Whether it is raised at all where it was found.
        """
        ...


ENCLOSING: ContextVar[Enclosing | None] = ContextVar("jaxkit_enclosing", default=None)


def current() -> Enclosing | None:
    """The run around the transform that is being put on a function; None outside of one."""
    return ENCLOSING.get()
