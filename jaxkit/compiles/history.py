"""Earlier compilations of each function, as many as are worth comparing with. Never imports JAX.

Of each function the last few and the oldest few are kept to find the closest among; one with
exactly the same arguments is found however long ago it was, until memory is needed.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from jaxkit.compiles.event import CompileEvent

_MAX_RECENT = 24
_KEEP_OLDEST = 4
_FEW = 4  # of an operation run one by one: which of its shapes was the closest tells nothing
_MAX_TOTAL = 6_000
_MAX_FUNCTIONS = 4_000
_MAX_LEAVES = 150_000


class History:
    """What a log compares a new compilation with."""

    def __init__(self) -> None:
        self._recent: OrderedDict[Any, list[CompileEvent]] = OrderedDict()
        self._total = 0
        self._exact: OrderedDict[Any, CompileEvent] = OrderedDict()
        self._leaves = 0
        self._room = _MAX_TOTAL
        self._asked: tuple[Any, Any] = (None, None)

    def of(self, event: CompileEvent) -> list[CompileEvent]:
        """Earlier compilations of the event's function, oldest first."""
        recent = self._recent.get(_group(event), [])
        if _is_operation(event):
            return recent[-_FEW:]
        self._asked = event.signature, _exactly(event)
        same = self._exact.get(self._asked[1])
        return recent if same is None or same in recent[-1:] else [same, *recent]

    def add(self, event: CompileEvent) -> None:
        """Remembers a compilation."""
        key = _group(event)
        recent = self._recent.setdefault(key, [])
        self._recent.move_to_end(key)
        recent.append(event)
        self._total += 1
        if len(recent) > _MAX_RECENT:  # the oldest few are the likeliest to be met again
            del recent[_KEEP_OLDEST]
            self._total -= 1
        if self._total > self._room:
            self._halve()
            while len(self._recent) > _MAX_FUNCTIONS:
                _, forgotten = self._recent.popitem(last=False)
                self._total -= len(forgotten)
            # Where nothing more can go, the next pass waits, so that passes stay rare.
            self._room = max(_MAX_TOTAL, self._total + self._total // 4)
        if not _is_operation(event):
            self._remember_exactly(event)

    def _halve(self) -> None:
        for old in list(self._recent.values())[: len(self._recent) // 2]:
            self._total -= len(old[_KEEP_OLDEST:])
            del old[_KEEP_OLDEST:]

    def _remember_exactly(self, event: CompileEvent) -> None:
        asked, key = self._asked
        if asked is not event.signature:
            key = _exactly(event)
        replaced = self._exact.pop(key, None)
        if replaced is not None:
            self._leaves -= len(replaced.signature.leaves)
        self._exact[key] = event
        self._leaves += len(event.signature.leaves)
        while self._leaves > _MAX_LEAVES or len(self._exact) > _MAX_TOTAL:
            _, old = self._exact.popitem(last=False)
            self._leaves -= len(old.signature.leaves)


def _is_operation(event: CompileEvent) -> bool:
    return event.via == "eager" and event.function.traced is None


def _group(event: CompileEvent) -> Any:
    """Function by code; an operation run one by one, by its line."""
    function = event.function
    code = "" if _is_operation(event) else function.code
    return function.name, function.file, function.line, code


def _exactly(event: CompileEvent) -> Any:
    signature = event.signature
    # Leaves are one object for equal ones, and held by the event that is remembered.
    leaves = hash(tuple(map(id, signature.leaves)))
    return _group(event), event.role, leaves, hash(signature.nodes), hash(signature.passing)
