"""How a value is drawn whose arrays must agree: first what there is, then shapes, then numbers.

A node stands for an annotation. Its `sketch` decides all but sizes and numbers (which alternative,
how many elements, which tree) and notes each array as a hole; then all holes of a call are solved
together, and what `sketch` returned makes the value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from hypothesis import strategies as st

from jaxkit.testing.strategies._axes import Axis, under
from jaxkit.testing.strategies._elements import DrawFn
from jaxkit.testing.strategies._holes import Hole
from jaxkit.testing.strategies._limits import Limits
from jaxkit.testing.strategies._solve import Pool, Solution, solve

__all__ = ["Filling", "Finish", "Node", "Settings", "Sketch", "complete", "pick"]

# How many other sketches are tried where nothing fits the one that was drawn.
_OTHERS = 64


@dataclass(frozen=True)
class Settings:
    """What a strategy of annotated values was told."""

    pool: Pool = field(default_factory=Pool)
    dtypes: tuple[np.dtype, ...] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Filling:
    """What is known when values are made: the shape of each hole, the size of each name."""

    draw: DrawFn
    shapes: Sequence[tuple[int, ...]]
    sizes: Mapping[str, int]
    settings: Settings


Finish = Callable[[Filling], Any]


class Node(Protocol):
    """An annotation that can be drawn."""

    def sketch(self, sketch: Sketch) -> Finish:
        """Decides what there is, and returns what makes it."""
        ...

    def note(self, value: Any, sketch: Sketch) -> bool:
        """Notes the sizes of a value that is there already; whether the annotation admits it."""
        ...


@dataclass
class Sketch:
    """What there is, without sizes.

    Attributes:
        draw: Hypothesis's.
        settings: of the strategy.
        forced: decisions to repeat instead of drawing them; 0 once they are used up.
        arguments: values of parameters that expressions in braces may ask for.
    """

    draw: DrawFn
    settings: Settings
    forced: list[int] | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    structures: dict[str, Any] = field(default_factory=dict)
    variables: dict[Any, int] = field(default_factory=dict)
    decisions: list[tuple[int, int]] = field(default_factory=list)
    linked: tuple[str, ...] = ()
    label: str = ""
    place: int = 0
    scope: int = 0
    scopes: int = 0
    depth: int = 0
    prefix: str = ""
    seen: bool = True

    def choose(self, count: int) -> int:
        """A decision among so many; 0 is the simplest."""
        if count < 2:
            return 0
        if self.forced is None:
            taken = self.draw(_upto(count - 1))
        else:
            made = len(self.decisions)
            taken = min(self.forced[made], count - 1) if made < len(self.forced) else 0
        self.decisions.append((taken, count))
        return taken

    def add(
        self,
        axes: tuple[Axis, ...],
        *,
        shape: tuple[int, ...] | None = None,
        others: Sequence[tuple[Axis, ...]] = (),
    ) -> int:
        """Notes an array; returns its number."""
        axes = under(axes, self.prefix)
        alternatives = tuple(under(other, self.prefix) for other in others)
        hole = Hole(axes, self.label, self.place, self.scope, shape, self.seen, alternatives)
        self.holes.append(hole)
        return len(self.holes) - 1


@functools.cache
def _upto(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most)


@functools.cache
def pick(options: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """One of them; kept, because to make a strategy costs more than to draw from it."""
    return st.sampled_from(options)


def complete(
    draw: DrawFn, settings: Settings, outline: Callable[[Sketch], Finish], *, name: str
) -> Any:
    """Sketches, solves and makes a value.

    Args:
        draw: Hypothesis's.
        settings: Of the strategy.
        outline: Sketches the whole value.
        name: What errors call the strategy.

    Raises:
        ValueError: No sizes fit, whatever is decided.
    """
    sketch = Sketch(draw, settings)
    finish = outline(sketch)
    found: Any = _solved(sketch, strict=True)
    if isinstance(found, str):
        sketch, finish, found = _another(draw, settings, outline, sketch, finish)
    if isinstance(found, str):
        raise ValueError(
            f"{name}: {found}; say which sizes fit with dims={{'n': (2, 3)}} or sizes=(...), "
            "or draw with a strategy of your own"
        )
    solution = found[draw(_upto(len(found) - 1))] if len(found) > 1 else found[0]
    return finish(Filling(draw, solution.shapes, dict(solution.sizes), settings))


def _solved(sketch: Sketch, *, strict: bool) -> tuple[Solution, ...] | str:
    holes, pool = tuple(sketch.holes), sketch.settings.pool
    return solve(holes, pool, strict=strict, extra=sketch.linked)


def _another(
    draw: DrawFn,
    settings: Settings,
    outline: Callable[[Sketch], Finish],
    first: Sketch,
    finish: Finish,
) -> tuple[Sketch, Finish, tuple[Solution, ...] | str]:
    """Other decisions, counted through from the simplest; else the first ones, less strictly.

    jaxtyping refuses every value where a name is used before it is bound: then there is nothing to
    keep to, and such an annotation still says what its author meant.
    """
    forced: list[int] | None = []
    for _ in range(_OTHERS):
        if forced is None:
            break
        sketch = Sketch(draw, settings, forced)
        other = outline(sketch)
        found = _solved(sketch, strict=True)
        if not isinstance(found, str):
            return sketch, other, found
        forced = _next(sketch.decisions)
    return first, finish, _solved(first, strict=False)


def _next(decisions: Sequence[tuple[int, int]]) -> list[int] | None:
    """The decisions after these, in the order of counting; None after the last."""
    taken = [choice for choice, _ in decisions]
    for i in reversed(range(len(taken))):
        if taken[i] + 1 < decisions[i][1]:
            return [*taken[:i], taken[i] + 1]
    return None
