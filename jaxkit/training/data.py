"""Batches in their order: counted, checked against the first, the ragged ones made whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import numpy as np

from jaxkit.training.filling import filled, weights
from jaxkit.training.likeness import check_first, check_like, check_source, named
from jaxkit.training.owning import Owning
from jaxkit.training.words import kind, short

__all__ = ["Batch", "Data", "Ragged"]

Ragged = Literal["pad", "drop", "compile"]


@dataclass(frozen=True)
class Batch:
    """One batch as the step takes it.

    Args:
        values: The arrays, padded.
        weight: `f32[rows]`: 0 for padding, else the padded size by the real one.
        rows: How many rows are real.
        epoch: From 0.
        position: Which of the epoch's, from 0.
    """

    values: Any
    weight: Any
    rows: int
    epoch: int
    position: int


class Data:
    """The batches of all epochs.

    Args:
        source: An iterable of batches, gone through once an epoch, or a function from the number
            of the epoch to one.
        ragged: What becomes of a batch with fewer rows than the first.
        divisor: Over how many devices a batch is split.
        place: Puts a batch on the devices.
        may_pad: Whether the loss leaves padding out; asked when there is some.
        name: What messages call it.
        pads_first: Whether the first batch, too, may be padded, so that devices have equal parts.

    Raises:
        TypeError: It cannot be gone through, or is one batch.
    """

    def __init__(
        self,
        source: Iterable[Any] | Callable[[int], Iterable[Any]],
        *,
        ragged: Ragged,
        divisor: int,
        place: Callable[[Any], Any],
        may_pad: Callable[[Any, Any], bool],
        name: str = "batches",
        pads_first: bool = False,
    ) -> None:
        check_source(source, name)
        if ragged not in get_args(Ragged):
            raise ValueError(
                f"ragged must be 'pad', 'drop' or 'compile', got ragged={short(ragged)}"
            )
        self._source, self._divisor = source, divisor
        self.ragged: Ragged = ragged
        self._place, self._may_pad, self._name = place, may_pad, name
        self._pads_first = pads_first and ragged == "pad"
        self._structure: Any = None
        # Batches of an epoch; None where that is not known before its end.
        self.length: int | None = None
        self._kinds: list[tuple[tuple[int, ...], Any]] = []
        self._whole: Any = None
        self._owning = Owning()
        # Rows of a whole batch: those of the first.
        self.rows: int | None = None
        # Batches that were compiled for, as the loss would not leave padding out.
        self.compiled_apart: list[tuple[int, int, int]] = []

    def epoch(self, number: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of one epoch.

        Args:
            number: Which epoch, from 0.
            skip: How many batches to leave out at its beginning.

        Raises:
            ValueError: There are none, fewer than are to be left out, or one that is not like the
                first.
        """
        position = 0
        self._owning.begin()
        for values in self._iterate(number):
            position += 1
            if position <= skip:
                continue
            batch = self._made(values, number, position - 1)
            if batch is not None:
                yield batch
        self._check_count(number, position, skip)

    def _iterate(self, number: int) -> Iterable[Any]:
        if not callable(self._source) or isinstance(self._source, Iterable):
            self.length = _length(self._source)
            return self._source
        made = self._source(number)
        if not isinstance(made, Iterable):
            raise TypeError(
                f"{self._name}({number}) must return an iterable of batches, got {short(made)} of "
                f"type {type(made).__name__}"
            )
        self.length = _length(made)
        return made

    def described(self) -> str:
        """What the first batch was, in words; empty before there was one."""
        if self._structure is None or self.rows is None:
            return ""
        kinds = [kind((self.rows, *shape), dtype) for shape, dtype in self._kinds]
        text = str(jax.tree.unflatten(self._structure, map(_Word, kinds)))
        alone = jax.tree_util.treedef_is_leaf(self._structure)
        return f"{text} (if {self._name}= is one batch, put it in a list)" if alone else text

    def _check_count(self, number: int, count: int, skip: int) -> None:
        if count == 0 and skip == 0:
            used_up = number > 0 and not callable(self._source)
            why = (
                f"{self._name} had none left in epoch {number}: what was given can be gone through "
                "once only, as a generator; give a list, or a function from the epoch to an "
                "iterable"
                if used_up
                else f"{self._name} must have at least one batch, got none in epoch {number}"
            )
            raise ValueError(why)
        if count < skip:
            raise ValueError(
                f"the checkpoint was written after batch {skip} of epoch {number}, and there are "
                f"{count}: give the same {self._name} as before, or resume=False with another "
                "directory"
            )

    def _made(self, values: Any, epoch: int, position: int) -> Batch | None:
        leaves, structure = jax.tree.flatten(values)
        leaves = [
            x if hasattr(x, "dtype") and hasattr(x, "shape") else np.asarray(x) for x in leaves
        ]
        kinds = [(tuple(x.shape[1:]), x.dtype) for x in leaves]
        known = self._structure is not None
        if not known or structure != self._structure or kinds != self._kinds:
            self._first(values, leaves, structure, kinds, self._at(epoch, position))
        sizes = {leaf.shape[0] if leaf.shape else None for leaf in leaves}
        if len(sizes) > 1 or None in sizes:
            self._refuse_rows(values, leaves, epoch, position)
        rows: int = leaves[0].shape[0]
        if rows == 0 and (self.rows is None or self.ragged != "drop"):
            raise ValueError(f"{self._at(epoch, position)} has no rows: leave it out")
        values = structure.unflatten(self._owning(leaves))
        if self.rows is None:
            self.rows = rows
            if self._pads_first:
                self.rows += -rows % self._divisor
        if rows == self.rows:
            return self._full(values, rows, epoch, position)
        return self._odd(values, rows, epoch, position)

    def _full(self, values: Any, rows: int, epoch: int, position: int) -> Batch:
        if self._whole is None:
            self._check_divisible(rows, epoch, position)
            self._whole = self._place(weights(rows, rows))
        return Batch(self._place(values), self._whole, rows, epoch, position)

    def _odd(self, values: Any, rows: int, epoch: int, position: int) -> Batch | None:
        assert self.rows is not None
        size, what = self.rows, self.ragged
        if what == "drop" and rows < size:
            return None
        if rows > size and what != "compile":
            raise ValueError(
                f"{self._at(epoch, position)} has {rows} rows and the first had {size}: with "
                f"ragged={what!r} none may be larger than the first; let the first be the largest, "
                "or give ragged='compile'"
            )
        if what == "pad":
            padded, weight = filled(values, size), weights(rows, size)
            if self._may_pad(padded, weight):
                return Batch(self._place(padded), self._place(weight), rows, epoch, position)
            self.compiled_apart.append((epoch, position, rows))
        self._check_divisible(rows, epoch, position)
        return Batch(self._place(values), self._place(weights(rows, rows)), rows, epoch, position)

    def _check_divisible(self, rows: int, epoch: int, position: int) -> None:
        n = self._divisor
        if rows % n:
            near = [size for size in (rows - rows % n, rows - rows % n + n) if size]
            raise ValueError(
                f"each of the {n} devices takes an equal part of a batch, and "
                f"{self._at(epoch, position)} has {rows} rows: take "
                f"{' or '.join(map(str, near))} rows a batch, or fewer devices"
            )

    def _first(
        self, values: Any, leaves: list[Any], structure: Any, kinds: list[Any], here: str
    ) -> None:
        """Remembers what the first batch is like; refuses another that is not like it."""
        check_first(values, leaves, here, first=self._structure is None, name=self._name)
        if self._structure is None:
            self._structure, self._kinds = structure, kinds
        else:
            check_like(values, (structure, kinds), (self._structure, self._kinds), here)

    def _refuse_rows(self, values: Any, leaves: list[Any], epoch: int, position: int) -> None:
        sizes = [
            f"batch{path} {leaf.shape[0] if leaf.shape else 'none'}"
            for path, leaf in zip(named(values), leaves, strict=True)
        ]
        raise ValueError(
            f"the arrays of {self._at(epoch, position)} must have one row for each example, got "
            f"these numbers of rows: {', '.join(sizes)}"
        )

    def _at(self, epoch: int, position: int) -> str:
        whose = "" if self._name == "batches" else f" of {self._name}"
        return f"batch {position} of epoch {epoch}{whose}"


class _Word(str):
    """Written without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _length(source: Iterable[Any]) -> int | None:
    return len(source) if isinstance(source, Sized) else None
