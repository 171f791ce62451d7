"""Shapes for all arrays of a call at once, so that equal names have equal sizes.

Nothing is drawn and then rejected: the names that occur have small domains, which are searched by
backtracking, each expression being checked as soon as its names have sizes. From what fits, a few
are kept, the smallest first, and Hypothesis chooses among those.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jaxkit.testing.strategies._axes import Axis, evaluate, names_in
from jaxkit.testing.strategies._holes import (
    Hole,
    Sizes,
    Variadics,
    can_be_in_order,
    in_order,
    split,
    unmistakable,
)
from jaxkit.testing.strategies._shapes import MAX_SHAPES, SIZES

__all__ = ["Pool", "Solution", "solve"]

# How many partial assignments a search looks at before it gives up.
_BUDGET = 20_000
# How many whole assignments are tried where alternatives leave few that will do.
_PATIENCE = 1_000
# Sizes that a name in an expression may have where the usual ones do not do.
_FURTHER = range(65)
# Expressions stay below this at first, and then below that.
_LIMITS = (64, 4096)


@dataclass(frozen=True)
class Pool:
    """From what sizes are chosen.

    Attributes:
        sizes: of any dimension, ascending.
        dims: of single names; of `*name`, shapes.
        max_shapes: how many solutions are kept.
    """

    sizes: tuple[int, ...] = SIZES
    dims: tuple[tuple[str, tuple], ...] = ()
    max_shapes: int = MAX_SHAPES


@dataclass(frozen=True)
class Solution:
    """A shape for each hole, and the sizes of the names."""

    shapes: tuple[tuple[int, ...], ...]
    sizes: tuple[tuple[str, int], ...]


@functools.lru_cache(maxsize=512)
def solve(
    holes: tuple[Hole, ...], pool: Pool, *, strict: bool = True, extra: tuple[str, ...] = ()
) -> tuple[Solution, ...] | str:
    """A few shapes of all holes, the smallest first; where there are none, why.

    Args:
        holes: The arrays.
        pool: Where sizes come from.
        strict: Whether names must be bound before expressions use them, as jaxtyping demands.
        extra: Names that need a size though no array has them.
    """
    facts = _known_facts(holes)
    if isinstance(facts, str):
        return facts
    if strict and not can_be_in_order(holes):
        return "an expression uses a name that nothing before it binds"
    search = _Search(holes, pool, *facts, extra, strict)
    for level in range(3):
        found = search.run(level)
        if found:
            return found
    return search.reason()


def _known_facts(
    holes: Sequence[Hole],
) -> tuple[dict[str, int], dict[str, tuple[int, ...]], list[tuple[str, int]]] | str:
    """What arrays that are there already say: sizes of names, of `*names`, of expressions."""
    sizes: dict[str, int] = {}
    variadics: dict[str, tuple[int, ...]] = {}
    equal: list[tuple[str, int]] = []
    for hole in (hole for hole in holes if hole.shape is not None):
        assert hole.shape is not None
        for axis, part in split(hole.axes, hole.shape) or ():
            if axis.kind == "variadic" and axis.text:
                before = variadics.setdefault(axis.text, part)
                if before != part and not axis.broadcastable:
                    return f"dimensions '*{axis.text}' are {before} and, in {hole.label}, {part}"
            elif axis.kind == "variadic" or (axis.broadcastable and part == (1,)):
                continue
            elif axis.kind == "named" and axis.text:
                if sizes.setdefault(axis.text, part[0]) != part[0]:
                    return (
                        f"dimension {axis.text!r} is {sizes[axis.text]} and, in {hole.label}, "
                        f"{part[0]}"
                    )
            elif axis.kind == "fixed" and axis.size != part[0]:
                return f"dimension {axis.text!r} of {hole.label} is {part[0]}"
            elif axis.kind == "symbolic":
                equal.append((axis.text, part[0]))
    return sizes, variadics, equal


class _Search:
    """One problem, searched at rising levels of permission."""

    def __init__(
        self,
        holes: tuple[Hole, ...],
        pool: Pool,
        sizes: dict[str, int],
        variadics: dict[str, tuple[int, ...]],
        equal: list[tuple[str, int]],
        extra: tuple[str, ...],
        strict: bool,
    ) -> None:
        self.holes, self.pool, self.strict = holes, pool, strict
        self.known, self.variadics, self.equal = sizes, variadics, equal
        self.dims = dict(pool.dims)
        drawn = [axis for hole in holes if hole.shape is None for axis in hole.axes]
        self.expressions = tuple(dict.fromkeys(a.text for a in drawn if a.kind == "symbolic"))
        every = [*self.expressions, *(text for text, _ in equal)]
        self.linked = {name for text in every for name in names_in(text)}
        named = [a.text for a in drawn if a.kind == "named" and a.text]
        self.names = list(dict.fromkeys([*sizes, *named, *sorted(self.linked), *extra]))

    def run(self, level: int) -> tuple[Solution, ...]:
        """Up to as many solutions as are wanted; none at levels where nothing fits."""
        found: dict[tuple, Solution] = {}
        for turn, sizes in enumerate(self._some(level)):
            self._keep(found, sizes, turn, random.Random(turn))
            if len(found) == self.pool.max_shapes:
                break
        if not found:
            self._try_all(found, level)
        return tuple(sorted(found.values(), key=_weight))

    def _some(self, level: int) -> Iterator[Sizes]:
        """A few assignments: all over usual sizes; of further ones, the smallest."""
        turns = 6 * self.pool.max_shapes
        if level:
            yield from itertools.islice(self._assignments(level, 0), turns)
            return
        for turn in range(turns):
            yield from itertools.islice(self._assignments(level, turn), 1)

    def _try_all(self, found: dict[tuple, Solution], level: int) -> None:
        """For what few sizes satisfy: all assignments, until one will do."""
        for sizes in itertools.islice(self._assignments(level, 0), _PATIENCE):
            for turn in range(4):
                self._keep(found, sizes, turn, random.Random(turn))
            if found:
                return

    def _keep(self, found: dict, sizes: Sizes, turn: int, rng: random.Random) -> None:
        variadics = self._choose_variadics(turn, rng)
        shapes = tuple(self._shape(hole, sizes, variadics, turn, rng) for hole in self.holes)
        for hole, shape in zip(self.holes, shapes, strict=True):
            if not unmistakable(hole, shape, sizes, variadics):
                return
        if self.strict and not in_order(self.holes, shapes):
            return
        chosen = tuple(sorted(sizes.items()))
        found.setdefault((shapes, tuple(sizes[n] for n in self.names)), Solution(shapes, chosen))

    def _domain(self, name: str, level: int) -> Sequence[int]:
        if name in self.known:
            return (self.known[name],)
        if name in self.dims:
            return self.dims[name]
        if level == 0 or name not in self.linked:
            return self.pool.sizes
        least = 0 if level == 2 else min(1, *self.pool.sizes)
        return sorted({*self.pool.sizes, *(n for n in _FURTHER if n >= least)})

    def _assignments(self, level: int, turn: int) -> Iterator[Sizes]:
        """Sizes for all names, each of which satisfies the expressions.

        The first turn counts up from the smallest; in others, names begin elsewhere, so that
        sizes differ from each other wherever they can, but in each fourth.
        """
        start = random.Random(turn).randrange(64)
        domains: list[Sequence[int]] = []
        for position, name in enumerate(self.names):
            domain = list(self._domain(name, level))
            if turn:
                shift = (start + position * (turn % 4)) % len(domain)
                domain = domain[shift:] + domain[:shift]
            domains.append(domain)
        least = 0 if level == 2 or 0 in self.pool.sizes else 1
        budget = [_BUDGET]
        yield from self._extend({}, domains, self._checks(least, _LIMITS[min(level, 1)]), budget)

    def _extend(
        self,
        sizes: dict[str, int],
        domains: Sequence[Sequence[int]],
        checks: dict[int, list[Callable[[Sizes], bool]]],
        budget: list[int],
    ) -> Iterator[Sizes]:
        depth = len(sizes)
        if depth == len(self.names):
            if depth or all(check(sizes) for check in checks.get(0, ())):
                yield dict(sizes)
            return
        for size in domains[depth]:
            budget[0] -= 1
            if budget[0] < 0:
                return
            sizes[self.names[depth]] = size
            if all(check(sizes) for check in checks.get(depth + 1, ())):
                yield from self._extend(sizes, domains, checks, budget)
            del sizes[self.names[depth]]

    def _checks(self, least: int, most: int) -> dict[int, list[Callable[[Sizes], bool]]]:
        """What must hold once so many names have sizes."""
        checks: dict[int, list[Callable[[Sizes], bool]]] = {}

        def add(text: str, low: int, high: int) -> None:
            def holds(sizes: Sizes) -> bool:
                value = evaluate(text, sizes)
                return value is not None and low <= value <= high

            last = max((self.names.index(name) + 1 for name in names_in(text)), default=0)
            checks.setdefault(max(last, min(1, len(self.names))), []).append(holds)

        for text in self.expressions:
            add(text, least, most)
        for text, size in self.equal:
            add(text, size, size)
        return checks

    def _choose_variadics(self, turn: int, rng: random.Random) -> Variadics:
        stars = (a for hole in self.holes for a in hole.axes if a.kind == "variadic")
        names = [axis.text for axis in stars if axis.text]
        chosen: dict[str, tuple[int, ...]] = {}
        for name in dict.fromkeys(names):
            if name in self.variadics:
                chosen[name] = self.variadics[name]
            elif f"*{name}" in self.dims:
                options = self.dims[f"*{name}"]
                chosen[name] = options[0] if turn == 0 else rng.choice(options)
            else:
                chosen[name] = self._any_shape(turn, rng)
        return chosen

    def _any_shape(self, turn: int, rng: random.Random) -> tuple[int, ...]:
        rank = 0 if turn == 0 else rng.randrange(3)
        return tuple(rng.choice(self.pool.sizes) for _ in range(rank))

    def _shape(
        self, hole: Hole, sizes: Sizes, variadics: Variadics, turn: int, rng: random.Random
    ) -> tuple[int, ...]:
        if hole.shape is not None:
            return hole.shape
        shape: list[int] = []
        for axis in hole.axes:
            narrow = axis.broadcastable and turn > 0 and rng.random() < 0.4
            if axis.kind == "variadic":
                part = variadics[axis.text] if axis.text else self._any_shape(turn, rng)
                shape += _narrowed(part, rng) if narrow else part
            elif narrow:
                shape.append(1)
            else:
                shape.append(self._size(axis, sizes, turn, rng))
        return tuple(shape)

    def _size(self, axis: Axis, sizes: Sizes, turn: int, rng: random.Random) -> int:
        if axis.kind == "fixed":
            return axis.size
        if axis.kind == "symbolic":
            value = evaluate(axis.text, sizes)
            assert value is not None
            return value
        if axis.text:
            return sizes[axis.text]
        return self.pool.sizes[0] if turn == 0 else rng.choice(self.pool.sizes)

    def reason(self) -> str:
        """Which dimension is to blame."""
        for text in self.expressions:
            alone = [hole for hole in self.holes if any(a.text == text for a in hole.axes)]
            if self._never(text):
                return (
                    f"dimension {text!r} of {alone[0].label} is a size for none of the sizes "
                    f"tried for {_listed(names_in(text))}"
                )
        for text, size in self.equal:
            if self._never(text, size):
                return (
                    f"dimension {text!r} cannot be {size} for any of the sizes tried for "
                    f"{_listed(names_in(text))}"
                )
        if self.expressions or self.equal:
            every = dict.fromkeys([*self.expressions, *(text for text, _ in self.equal)])
            return f"dimensions {_listed(every)} have no sizes that suit all arrays"
        return f"dimensions {_listed(self.names)} have no sizes that suit all arrays"

    def _never(self, text: str, size: int | None = None) -> bool:
        alone = Hole((Axis("symbolic", text),), "", shape=None if size is None else (size,))
        facts = (self.known, {}, [] if size is None else [(text, size)])
        search = _Search((alone,), self.pool, *facts, (), False)
        return not any(search.run(level) for level in range(3))


def _narrowed(shape: tuple[int, ...], rng: random.Random) -> tuple[int, ...]:
    """A shape that broadcasts to this one."""
    kept = shape[rng.randrange(len(shape) + 1) :]
    return tuple(1 if rng.random() < 0.5 else size for size in kept)


def _weight(solution: Solution) -> tuple:
    elements = sum(int(np.prod(shape)) for shape in solution.shapes)
    return (elements, sum(map(len, solution.shapes)), solution.shapes, solution.sizes)


def _listed(names: object) -> str:
    return ", ".join(repr(name) for name in names) or "no name"  # type: ignore[attr-defined]
