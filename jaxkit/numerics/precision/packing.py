"""Small arrays in one: each that leaves a program takes time by itself, whatever its size.

A step of training returns each bias and each scale thrice; the shadow returns them in double
precision once more, and nearly always nobody looks at them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxkit._jax.zeros import explicit_sharding

__all__ = ["Packing"]

# The most elements that are copied rather than returned by themselves.
_SMALL = 1024


class _Place(NamedTuple):
    array: int
    start: int
    shape: tuple[int, ...]


class Packing:
    """Which arrays of a program are packed together: small ones of one dtype.

    Args:
        kinds: Their types.
    """

    def __init__(self, kinds: Sequence[Any]) -> None:
        groups: dict[Any, list[int]] = defaultdict(list)
        for place, kind in enumerate(kinds):
            small = math.prod(kind.shape) <= _SMALL and explicit_sharding(kind) is None
            groups[kind.dtype if small else place].append(place)
        self._groups = list(groups.values())
        self._places: dict[int, _Place] = {}
        for number, group in enumerate(self._groups):
            start = 0
            for place in group:
                shape = kinds[place].shape
                self._places[place] = _Place(number, start, shape)
                start += math.prod(shape)

    def pack(self, values: Sequence[Any]) -> list[Any]:
        """The arrays that leave the program."""
        return [
            values[group[0]]
            if len(group) == 1
            else jnp.concatenate([jnp.ravel(values[place]) for place in group])
            for group in self._groups
        ]

    def unpack(self, packed: Sequence[Any]) -> list[Any]:
        """The arrays as they were; those that were packed are NumPy's."""
        found: list[Any] = []
        for place in range(len(self._places)):
            number, start, shape = self._places[place]
            array = packed[number]
            if len(self._groups[number]) > 1:
                array = np.asarray(array)[start : start + math.prod(shape)].reshape(shape)
            found.append(array)
        return found
