"""Whose cost it is: how often each jaxpr runs, from the callers to the called."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from typing import NamedTuple

from jaxkit.jaxpr._walk import joined
from jaxkit.jaxpr.blocks import ZERO, Block, Call, Place, Uncounted, add
from jaxkit.jaxpr.scopes import clean
from jaxkit.jaxpr.trips import Trips
from jaxkit.report import SourceLine

_NO_TURNS = (
    "how often it turns only the values tell: one turn is counted; trip_counts= says how many"
)


class _From(NamedTuple):
    """What a jaxpr is run from: a line, a scope, and, where that matters, a path."""

    line: SourceLine | None
    scope: str
    path: tuple[str, ...]


class _Times(NamedTuple):
    """How often: on all devices together, and on each."""

    everywhere: int
    here: int


def _zeros() -> list[int]:
    return list(ZERO)


@dataclasses.dataclass(slots=True)
class Attribution:
    """Sums over all that runs; vectors are as the attributes of `Cost`."""

    total: list[int] = dataclasses.field(default_factory=_zeros)
    per_device: list[int] = dataclasses.field(default_factory=_zeros)
    by_line: dict[SourceLine | None, list[int]] = dataclasses.field(
        default_factory=lambda: defaultdict(_zeros)
    )
    by_scope: dict[str, list[int]] = dataclasses.field(default_factory=lambda: defaultdict(_zeros))
    by_primitive: dict[str, list[int]] = dataclasses.field(
        default_factory=lambda: defaultdict(_zeros)
    )
    primitives: Counter[str] = dataclasses.field(default_factory=Counter[str])
    missing: dict[tuple[str, SourceLine | None, str], int] = dataclasses.field(
        default_factory=dict[tuple[str, SourceLine | None, str], int]
    )

    @property
    def uncounted(self) -> list[Uncounted]:
        """What is missing, one for each line and reason."""
        return [
            Uncounted(name, line, reason, times)
            for (name, line, reason), times in self.missing.items()
        ]


def attribute(blocks: dict[int, Block], trips: Trips, branches: str) -> Attribution:
    """Sums up a program.

    Args:
      blocks: its jaxprs, those that are called before those that call them.
      trips: of loops of unknown length.
      branches: as for `cost_of`; what is not taken is not among the calls.
    """
    found = Attribution()
    runs: dict[int, dict[_From, _Times]] = defaultdict(dict)
    *_, start = blocks.values()
    runs[id(start)][_From(None, "", ())] = _Times(1, 1)
    for block in reversed(blocks.values()):
        sources = runs.pop(id(block), None)
        if sources is None:  # only in a branch that is not taken, or a combiner
            continue
        _own(found, block, sources)
        for call in block.calls:
            inner = runs[id(call.block)]
            for source, times in sources.items():
                _enter(found, call, source, times, inner, trips)
    return found


def _own(found: Attribution, block: Block, sources: dict[_From, _Times]) -> None:
    """Adds what the equations of a jaxpr do themselves."""
    everywhere = sum(times.everywhere for times in sources.values())
    here = sum(times.here for times in sources.values())
    lines: dict[SourceLine | None, int] = defaultdict(int)
    scopes: dict[str, int] = defaultdict(int)
    for source, times in sources.items():
        lines[source.line] += times.everywhere
        scopes[source.scope] += times.everywhere
    own_scopes: dict[str, list[int]] = defaultdict(_zeros)
    without: dict[SourceLine | None, list[int]] = defaultdict(_zeros)
    for (place, name), vector in block.own.items():
        add(found.total, vector, everywhere)
        add(found.per_device, vector, here)
        add(found.by_primitive[name], vector, everywhere)
        if vector[6]:
            found.primitives[name] += vector[6] * here
        add(own_scopes[place.scope], vector)
        if place.user is not None:
            add(found.by_line[place.user], vector, everywhere)
        else:
            add(without[place.library], vector)
    for library, vector in without.items():
        for line, times in lines.items():
            add(found.by_line[line or library], vector, times)
    for scope, vector in own_scopes.items():
        for outer, times in scopes.items():
            add(found.by_scope[clean(joined(outer, scope))], vector, times)
    for place, name, reason in block.missing:
        for line, times in lines.items():
            _miss(found, name, place.user or line or place.library, reason, times)


def _enter(
    found: Attribution,
    call: Call,
    source: _From,
    times: _Times,
    inner: dict[_From, _Times],
    trips: Trips,
) -> None:
    """Adds runs of what is called."""
    place: Place = call.place
    line = place.user or source.line or place.library
    scope = joined(source.scope, place.scope)
    each = call.times
    if call.loop:
        loop = call.primitive if call.role == "loop_cond" else call.name
        turns = trips.turns(line, scope, (*source.path, loop))
        trips.meet(line)
        each = (1 if turns is None else turns) + call.extra
        if turns is None and call.role != "loop_cond":
            _miss(found, call.primitive, line, _NO_TURNS, times.everywhere)
            vector = (0, 0, 0, 0, 0, 0, 0, times.everywhere)
            for to in (
                found.total,
                found.per_device,
                found.by_line[line],
                found.by_scope[clean(scope)],
                found.by_primitive[call.primitive],
            ):
                add(to, vector)
    path = (*source.path, call.name) if trips.keyed else ()
    key = _From(line, scope, path)
    before = inner.get(key, _Times(0, 0))
    inner[key] = _Times(
        before.everywhere + times.everywhere * each * call.devices, before.here + times.here * each
    )


def _miss(found: Attribution, name: str, line: SourceLine | None, reason: str, times: int) -> None:
    key = name, line, reason
    found.missing[key] = found.missing.get(key, 0) + times
