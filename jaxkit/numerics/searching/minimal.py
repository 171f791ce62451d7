"""The smallest part of a set that still does what the whole does: delta debugging."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

__all__ = ["minimal"]

T = TypeVar("T", bound=Hashable)


def minimal(
    whole: Sequence[T],
    passes: Callable[[frozenset[T]], bool],
    found: Callable[[frozenset[T]], None] = lambda part: None,
) -> frozenset[T]:
    """A part that passes, and of which nothing can be left out.

    Example:
        >>> sorted(minimal(range(100), lambda part: {3, 14, 15} <= part))
        [3, 14, 15]

    Args:
        whole: A set that passes, in the order in which parts of it are looked at: what comes
            first is left out first.
        passes: Whether a part does. Asked once for each part at most, in an order that depends on
            its answers alone.
        found: Told each smaller part that passes.

    Returns:
        A part that passes, while without any one of its elements it does not. There may be smaller
        ones.

    References:
        A. Zeller, R. Hildebrandt, Simplifying and isolating failure-inducing input, IEEE Trans.
        Software Eng. 28(2), 2002: the algorithm ddmin. Before it a bisection over `whole`, which
        is enough where elements matter one by one.
    """
    asked: dict[frozenset[T], bool] = {}

    def does(part: Sequence[T]) -> bool:
        key = frozenset(part)
        if key not in asked:
            asked[key] = passes(key)
            if asked[key]:
                found(key)
        return asked[key]

    return frozenset(_reduced(_bisected(list(whole), does), does))


def _bisected(kept: list[T], passes: Callable[[Sequence[T]], bool]) -> list[T]:
    """Without as many of the first elements as can be left out together, as bisection finds."""
    if passes([]):
        return []
    fine, too_many = 0, len(kept)
    while too_many - fine > 1:
        middle = (fine + too_many) // 2
        if passes(kept[middle:]):
            fine = middle
        else:
            too_many = middle
    return kept[fine:]


def _reduced(kept: list[T], passes: Callable[[Sequence[T]], bool]) -> list[T]:
    parts = 2
    while len(kept) > 1:
        parts = min(parts, len(kept))
        pieces = [kept[i * len(kept) // parts : (i + 1) * len(kept) // parts] for i in range(parts)]
        smaller = _first_that_passes(kept, pieces, passes)
        if smaller is not None:
            # Of a piece the next is anyone's guess; without one, the others are as small as before.
            parts = 2 if smaller in pieces else max(parts - 1, 2)
            kept = smaller
        elif parts == len(kept):
            break
        else:
            parts = 2 * parts
    return kept


def _first_that_passes(
    kept: list[T], pieces: list[list[T]], passes: Callable[[Sequence[T]], bool]
) -> list[T] | None:
    for piece in pieces:
        if passes(piece):
            return piece
    for piece in pieces:
        rest = [each for each in kept if each not in piece]
        if passes(rest):
            return rest
    return None
