"""The shapes and sizes that are drawn where nobody says otherwise: few, so that jit's cache holds.

A compilation costs more than a thousand examples, so an example that has a shape of its own is
dear: `jit` compiled 42 times in 100 examples of free shapes, 3 times in 100 of a pool of five.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["MAX_SHAPES", "SHAPES", "SIZES", "as_shape", "as_sizes"]

# A dimension's size. Without 0, at which most reductions are undefined; primes tell apart what a
# reshape has mixed up.
SIZES = (1, 2, 3, 5)

# How many different shapes an array, or all arrays of a function together, may take.
MAX_SHAPES = 8

# Of an array about whose shape nothing is said; the simplest first.
SHAPES = ((), (1,), (3,), (2, 3), (3, 1), (1, 2, 3))


def as_shape(value: object, *, name: str = "shape") -> tuple[int, ...]:
    """A shape from an integer or a sequence of them.

    Raises:
        TypeError: It is neither.
        ValueError: A size is negative.
    """
    sizes: Any = (value,) if isinstance(value, int) else value
    several = isinstance(sizes, (tuple, list))
    if not several or not all(isinstance(n, int) and not isinstance(n, bool) for n in sizes):
        raise TypeError(
            f"{name} must be a tuple of sizes such as (2, 3), or a strategy, got {name}={value!r}"
        )
    if any(n < 0 for n in sizes):
        raise ValueError(f"{name} must not have negative sizes, got {name}={value!r}")
    return tuple(sizes)


def as_sizes(value: Sequence[int], *, name: str = "sizes") -> tuple[int, ...]:
    """The sizes that a dimension may have, each once, in ascending order.

    Raises:
        TypeError: They are no integers.
        ValueError: There are none, or one is negative.
    """
    sizes = tuple(sorted(set(as_shape(value, name=name))))
    if not sizes:
        raise ValueError(f"{name} must have at least one size, got {name}={value!r}")
    return sizes
