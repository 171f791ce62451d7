"""The parts of a program to which a format is assigned: scopes, functions or lines."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from jaxkit._jax.jaxprs import Program
from jaxkit.jaxpr import walk
from jaxkit.jaxpr.bytes import bytes_of
from jaxkit.jaxpr.flops import work_of
from jaxkit.jaxpr.nesting import nested
from jaxkit.jaxpr.sizes import Unknown
from jaxkit.numerics.emulation.formats import Format
from jaxkit.numerics.emulation.selection import exactly, without_marks
from jaxkit.report import SourceLine

__all__ = ["BY", "Group", "Place", "groups_of"]

BY = ("auto", "scope", "function", "line")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an equation stands.

    Args:
        scope: The named scopes around it.
        line: The user's line.
    """

    scope: str
    line: SourceLine | None

    @classmethod
    def of(cls, at: Any) -> Place:
        """That of an `Equation` or a `Site`."""
        return cls(without_marks(at.scope), at.where)


@dataclasses.dataclass
class Group:
    """Equations that get one format.

    Args:
        selector: What `emulate` calls them.
        line: The first of its lines.
        equations: How many there are in the program.
        flops: Operations in one run of the program; of loops of unknown length, of one turn.
        flops_share: Of all operations.
        saved_share: Which part of all bytes that the program moves the format would save.
    """

    selector: str
    line: SourceLine | None
    equations: int = 0
    flops: int = 0
    flops_share: float = 0.0
    saved_share: float = 0.0

    @property
    def name(self) -> str:
        """For people."""
        kind, _, value = self.selector.partition("=")
        if kind == "line":
            file, _, number = value.rpartition(":")
            return f"{os.path.basename(file)}:{number}" if file else "(no line)"
        return f"{value} (no scope)" if kind == "unscoped" else value


def groups_of(
    program: Program, candidates: Sequence[Place], by: str, target: Format
) -> tuple[list[Group], dict[Place, int]]:
    """The groups in the order of the program, and the number of that of each place.

    Args:
        program: The program.
        candidates: Where the equations stand that can be rounded.
        by: One of `BY`.
        target: The format.
    """
    kind = _chosen(candidates, by)
    groups: dict[str, Group] = {}
    for place in candidates:
        selector = _selector(place, kind)
        groups.setdefault(selector, Group(selector, place.line)).equations += 1
    _add_costs(program, groups, kind, target)
    numbers = {selector: number for number, selector in enumerate(groups)}
    return list(groups.values()), {
        place: numbers[_selector(place, kind)] for place in set(candidates)
    }


def _chosen(candidates: Sequence[Place], by: str) -> str:
    if by != "auto":
        return by
    if any(place.scope for place in candidates):
        return "scope"
    functions = {exactly("function", "", place.line) for place in candidates}
    return "function" if len(functions) > 1 else "line"


def _selector(place: Place, by: str) -> str:
    kind = "unscoped" if by == "scope" and not place.scope else by
    return f"{kind}={exactly(kind, place.scope, place.line)}"


def _add_costs(program: Program, groups: dict[str, Group], by: str, target: Format) -> None:
    flops: Counter[str] = Counter()
    saved: Counter[str] = Counter()
    all_flops, all_bytes = 0, 0
    for site in walk(program.written):
        if any(each.role != "combiner" for each in nested(site.eqn)):
            continue
        work, moved, ratio = _cost(site.eqn, target)
        often = site.multiplicity.count * site.multiplicity.devices
        selector = _selector(Place.of(site), by)
        flops[selector] += work * often
        saved[selector] += round(moved * often * ratio)
        all_flops, all_bytes = all_flops + work * often, all_bytes + moved * often
    for selector, group in groups.items():
        group.flops = flops[selector]
        group.flops_share = flops[selector] / max(all_flops, 1)
        group.saved_share = saved[selector] / max(all_bytes, 1)


def _cost(eqn: Any, target: Format) -> tuple[int, int, float]:
    """Operations, bytes, and which part of these is saved."""
    try:
        work, moved = work_of(eqn), bytes_of(eqn)
    except (Unknown, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return 0, 0, 0.0
    flops = 0 if work is None else sum(work[:4])
    return flops, moved, max((_saved(var.aval, target) for var in eqn.outvars), default=0.0)


def _saved(aval: Any, target: Format) -> float:
    dtype = getattr(aval, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
        return 0.0
    info = jnp.finfo(dtype)
    exponent = info.nexp if target.exponent_bits is None else target.exponent_bits
    return max(0.0, 1 - (1 + int(exponent) + target.mantissa_bits) / int(info.bits))
