"""Loaders that fill the same arrays again, while JAX may still be reading them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Owning"]

_LOOKS = 8


class Owning:
    """Copies the batches of a loader that fills the arrays of one of its last batches again.

    A step returns before it has read its arguments, and on a CPU it reads NumPy's memory itself
    where that is aligned to 64 bytes: what is written there meanwhile is what the step gets. The
    first batches are copied in any case; if two of an epoch are in the same memory, all are.
    """

    def __init__(self) -> None:
        self._left = _LOOKS
        self._again = False
        # Kept alive, or their addresses would be those of other arrays.
        self._seen: dict[int, Any] = {}

    def begin(self) -> None:
        """A new epoch begins, in which the same arrays may well be given again."""
        self._seen.clear()

    def __call__(self, leaves: list[Any]) -> list[Any]:
        """The arrays of a batch, in memory that nobody writes to.

        Args:
            leaves: The arrays as the loader gave them.
        """
        if self._left:
            self._look(leaves)
        elif not self._again:
            return leaves
        return [np.array(x) if isinstance(x, np.ndarray) else x for x in leaves]

    def _look(self, leaves: list[Any]) -> None:
        self._left -= 1
        for each in leaves:
            if isinstance(each, np.ndarray) and each.size:
                address = each.ctypes.data
                self._again = self._again or address in self._seen
                self._seen[address] = each
        if not self._left:
            self._seen.clear()
