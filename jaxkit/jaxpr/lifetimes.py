"""From when to when each array of a program is stored, and when most is."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from jaxkit.jaxpr.fusion import Flat, Kind, Op

_NEVER = -1
# What can compute its operands element by element as it goes.
_TAKES_FUSED = (Kind.FUSED, Kind.CHEAP, Kind.REDUCING, Kind.IN_PLACE)
_REUSES = (Kind.FUSED, Kind.CHEAP, Kind.IN_PLACE)


class Moment(NamedTuple):
    """When most is stored.

    Attributes:
      bytes: how much, beside the inputs.
      at: index of the equation that runs then; None where there is none.
    """

    bytes: int
    at: int | None


class Lifetimes:
    """When the variables of a program are stored.

    Args:
      program: the program.
      free: inputs whose memory may be used again.
    """

    def __init__(self, program: Flat, free: Collection[int] = ()) -> None:
        self._program, self._free = program, frozenset(free)
        self._inputs = frozenset(program.inputs)
        self._roots = list(range(len(program.sizes)))
        self._end = len(program.ops)
        self._last = [_NEVER] * len(program.sizes)
        self._stored = bytearray(len(program.ops))
        self._readers: list[list[int]] = [[] for _ in program.sizes]
        self._follow()
        self._outputs = [self._roots[n] for n in program.outputs if n is not None]
        for root in self._outputs:
            self._last[root] = self._end
        self._live()
        self._dying: dict[int, list[int]] = {}
        self._group()

    def _follow(self) -> None:
        """Finds who reads what; a variable that is another's memory counts as that."""
        roots, readers = self._roots, self._readers
        for index, op in enumerate(self._program.ops):
            if op.kind is Kind.ALIAS and op.operands:
                roots[op.results[0]] = roots[op.operands[0]]
                continue
            for number in {roots[number] for number in op.operands}:
                readers[number].append(index)

    def _live(self) -> None:
        """Goes backward: until when each is needed, and what need not be stored at all."""
        last, roots = self._last, self._roots
        for index in range(self._end - 1, -1, -1):
            op = self._program.ops[index]
            if op.kind is Kind.ALIAS and op.operands:
                continue
            if all(last[n] == _NEVER for n in op.results) and not op.eqn.effects:
                continue
            until = index
            if self._is_fused(op):
                until = last[op.results[0]]
            else:
                self._stored[index] = 1
            for number in op.operands:
                root = roots[number]
                if last[root] < until:
                    last[root] = until

    def _is_fused(self, op: Op) -> bool:
        if op.kind > Kind.CHEAP or len(op.results) != 1:
            return False
        result = op.results[0]
        if self._last[result] >= self._end:
            return False
        ops = self._program.ops
        readers = [i for i in self._readers[result] if self._is_run(i)]
        if op.kind is Kind.FUSED and len(readers) > 1:
            return False
        moved = op.eqn.primitive.name == "transpose"
        return all(
            ops[i].kind in _TAKES_FUSED or (moved and ops[i].kind is Kind.PRODUCT) for i in readers
        )

    def _is_run(self, index: int) -> bool:
        op = self._program.ops[index]
        return bool(self._stored[index]) or any(self._last[n] != _NEVER for n in op.results)

    def _group(self) -> None:
        for index, op in enumerate(self._program.ops):
            if self._stored[index]:
                for number in op.results:
                    self._dying.setdefault(max(self._last[number], index), []).append(number)
        for number in self._free:
            self._dying.setdefault(self._last[number], []).append(number)

    def worst(self) -> Moment:
        """The moment at which most is stored beside the inputs."""
        sizes = self._program.sizes
        live = self._copies()
        worst = Moment(live, None)
        for index, op in enumerate(self._program.ops):
            if not self._stored[index]:
                continue
            made = self._made(index, op)
            now = live + max(sum(sizes[n] for n in made), op.extra)
            if now > worst.bytes:
                worst = Moment(now, index)
            live += sum(sizes[n] for n in op.results)
            live -= sum(sizes[n] for n in self._dying.get(index, ()))
        return worst

    def stored_at(self, moment: Moment) -> dict[int, int]:
        """The variables that are stored then, with their bytes; inputs left out.

        Args:
          moment: of this program.
        """
        sizes, found = self._program.sizes, dict[int, int]()
        for index, op in enumerate(self._program.ops):
            if moment.at is None or index > moment.at:
                break
            if not self._stored[index]:
                continue
            made = op.results if index < moment.at else self._made(index, op)
            if index == moment.at and op.extra:
                break
            found.update((n, sizes[n]) for n in made)
            if index < moment.at:
                for number in self._dying.get(index, ()):
                    found.pop(number, None)
        return found

    def _copies(self) -> int:
        """Bytes of results that are inputs as they came."""
        kept = self._inputs - self._free
        return sum(self._program.sizes[root] for root in self._outputs if root in kept)

    def _made(self, index: int, op: Op) -> list[int]:
        """The results that need memory of their own: not that of an operand used up here."""
        if op.kind not in _REUSES:
            return op.results
        sizes = self._program.sizes
        left = [sizes[n] for n in self._dying.get(index, ()) if n not in op.results]
        found: list[int] = []
        for number in op.results:
            if sizes[number] in left:
                left.remove(sizes[number])
            else:
                found.append(number)
        return found
