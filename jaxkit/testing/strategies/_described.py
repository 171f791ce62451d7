"""A strategy from a function that draws, shown as the call that made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from jaxkit.testing.strategies._elements import DrawFn

__all__ = ["described"]

T = TypeVar("T")


def described(
    name: str, drawn: Callable[[DrawFn], T], /, *shown: object, **options: object
) -> st.SearchStrategy[T]:
    """A strategy whose repr is `name(*shown, **options)`, options that are None left out."""

    def function(draw: DrawFn, /, *args: Any, **kwargs: Any) -> T:
        return drawn(draw)

    function.__name__ = function.__qualname__ = name
    kept = {key: value for key, value in options.items() if value is not None}
    return st.composite(function)(*shown, **kept)
