"""An array that is to be drawn, and what a checker of annotations makes of its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxkit.testing.strategies._axes import Axis, evaluate, names_in

__all__ = ["Hole", "Sizes", "Variadics", "bind", "can_be_in_order", "in_order", "unmistakable"]

Sizes = Mapping[str, int]
Variadics = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Hole:
    """One array among those that must agree on their dimensions.

    Attributes:
        axes: its dimensions.
        label: what errors call it, such as `x: Float[Array, 'b d']`.
        place: the number of its parameter: checkers go from the first to the last.
        scope: whose names these are: a class checks its fields apart from the function.
        shape: of an array that is there already, such as a default.
        seen: whether a checker sees it; a default that stands is not looked at.
        others: dimensions of the annotation's other alternatives that this array could be taken
            for.
    """

    axes: tuple[Axis, ...]
    label: str
    place: int = 0
    scope: int = 0
    shape: tuple[int, ...] | None = None
    seen: bool = True
    others: tuple[tuple[Axis, ...], ...] = ()


def split(axes: Sequence[Axis], shape: Sequence[int]) -> list[tuple[Axis, tuple[int, ...]]] | None:
    """Which sizes belong to which dimension; None where the number does not fit."""
    star = next((i for i, axis in enumerate(axes) if axis.kind == "variadic"), None)
    if star is None:
        return [(a, (n,)) for a, n in zip(axes, shape, strict=True)] if _same(axes, shape) else None
    rest = len(axes) - star - 1
    if len(shape) < len(axes) - 1:
        return None
    end = len(shape) - rest
    before = [(a, (n,)) for a, n in zip(axes[:star], shape[:star], strict=True)]
    after = [(a, (n,)) for a, n in zip(axes[star + 1 :], shape[end:], strict=True)]
    # In the order in which jaxtyping looks at them.
    return [*before, *after, (axes[star], tuple(shape[star:end]))]


def _same(axes: Sequence[Axis], shape: Sequence[int]) -> bool:
    return len(axes) == len(shape)


def bind(axes: Sequence[Axis], shape: Sequence[int]) -> tuple[Sizes, Variadics] | None:
    """What names would be bound to if nothing else were; None where the shape does not fit.

    Expressions are believed: a name in them may be bound elsewhere.
    """
    pairs = split(axes, shape)
    sizes: dict[str, int] = {}
    variadics: dict[str, tuple[int, ...]] = {}
    fits = pairs is not None
    for axis, part in pairs or ():
        if axis.kind == "variadic":
            if axis.text and not axis.broadcastable:
                variadics[axis.text] = part
        elif axis.broadcastable and part == (1,):
            continue
        elif axis.kind == "fixed":
            fits = fits and axis.size == part[0]
        elif axis.kind == "named" and axis.text:
            fits = fits and sizes.setdefault(axis.text, part[0]) == part[0]
    return (sizes, variadics) if fits else None


def in_order(holes: Sequence[Hole], shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether every name in an expression is bound before a checker comes to it."""
    bound: dict[int, set[str]] = {}
    for hole, shape in sorted(zip(holes, shapes, strict=True), key=lambda pair: pair[0].place):
        if not hole.seen:
            continue
        names = bound.setdefault(hole.scope, set())
        for axis, part in split(hole.axes, shape) or ():
            if axis.kind == "variadic" or (axis.broadcastable and part == (1,)):
                continue
            if axis.kind == "named":
                names.add(axis.text)
            elif axis.kind == "symbolic" and not names.issuperset(names_in(axis.text)):
                return False
    return True


def can_be_in_order(holes: Sequence[Hole]) -> bool:
    """Whether `in_order` holds for some shapes: a name that nothing binds needs no search."""
    bound: dict[int, set[str]] = {}
    for hole in sorted((hole for hole in holes if hole.seen), key=lambda hole: hole.place):
        names = bound.setdefault(hole.scope, set())
        for axis in hole.axes:
            if axis.kind == "named":
                names.add(axis.text)
            elif axis.broadcastable or axis.kind != "symbolic":
                continue
            elif not names.issuperset(names_in(axis.text)):
                return False
    return True


def unmistakable(hole: Hole, shape: tuple[int, ...], sizes: Sizes, variadics: Variadics) -> bool:
    """Whether a checker that tries another alternative first comes to the same sizes."""
    for axes in hole.others:
        found = bind(axes, shape)
        if found is None:
            continue
        if any(sizes.get(name, size) != size for name, size in found[0].items()):
            return False
        if any(variadics.get(name, part) != part for name, part in found[1].items()):
            return False
        known = {**sizes, **found[0]}
        for axis, part in split(axes, shape) or ():
            if axis.kind == "symbolic" and evaluate(axis.text, known) != part[0]:
                break
    return True
