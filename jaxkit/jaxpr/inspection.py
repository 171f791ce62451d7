"""What `jaxkit.inspect` returns."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from jaxkit._jax.jaxprs import Program
from jaxkit.jaxpr._walk import Site, walk
from jaxkit.jaxpr.blocks import Uncounted
from jaxkit.jaxpr.cost import Cost, Costs, cost_of
from jaxkit.jaxpr.headline import blocks_of_inspection, data_of_inspection
from jaxkit.jaxpr.memory import Peak, peak_of
from jaxkit.jaxpr.trips import Key
from jaxkit.report import Finding, Report, SourceLine


@dataclass(frozen=True, eq=False)
class Inspection(Report):
    """What a program computes, moves and stores; its findings are those of the lints.

    Attributes:
      name: the function's name.
      program: the function as JAX traced it, without its arguments' values.
      costs: every sum: `Costs.total`, ``per_device``, ``by_line``, ``by_scope``, ...
      peak: the worst moment of its memory.
      donated: which of its inputs may be overwritten.
    """

    name: str = field(default="", kw_only=True)
    program: Program = field(default=None, kw_only=True, repr=False)  # type: ignore[assignment]
    costs: Costs = field(default=None, kw_only=True, repr=False)  # type: ignore[assignment]
    peak: Peak = field(default=None, kw_only=True, repr=False)  # type: ignore[assignment]
    donated: tuple[int, ...] = field(default=(), kw_only=True, repr=False)
    trip_counts: Any = field(default=None, kw_only=True, repr=False)

    @property
    def jaxpr(self) -> Any:
        """The program that runs, as JAX's own closed jaxpr."""
        return self.program.lowered

    @functools.cached_property
    def sites(self) -> tuple[Site, ...]:
        """Every equation where it stands, with how often it runs."""
        return tuple(walk(self.jaxpr))

    @property
    def primitives(self) -> Counter[str]:
        """How often each primitive runs on a device, calls dissolved, loops multiplied."""
        return self.costs.primitives

    @property
    def flops(self) -> int:
        """All operations, on all devices; a transcendental function counts as one."""
        return self.costs.total.flops

    @property
    def matmul_flops(self) -> int:
        """Of those, the ones of matrix products and convolutions."""
        return self.costs.total.matmul_flops

    @property
    def flops_per_device(self) -> int:
        """What one device does of `flops`."""
        return self.costs.per_device.flops

    @property
    def transcendentals(self) -> int:
        """Evaluations of exp, log, tanh, sqrt and the like; they are among `flops`."""
        return self.costs.total.transcendentals

    @property
    def padding_flops(self) -> int:
        """Of `matmul_flops`, those that multiply zeros which a convolution's padding put there."""
        return self.costs.total.padding_flops

    @property
    def bytes(self) -> int:
        """What is read and written, on all devices, as if no two equations were fused."""
        return self.costs.total.bytes

    @property
    def peak_bytes(self) -> int:
        """The most memory that is needed at once, on a device: an estimate of +-35%."""
        return self.peak.bytes

    @property
    def by_line(self) -> dict[SourceLine | None, Cost]:
        """The cost of each line, the most costly first; they add up to ``costs.total``."""
        return self.costs.by_line

    @property
    def by_scope(self) -> dict[str, Cost]:
        """The cost of each `jax.named_scope`, inner ones not included."""
        return self.costs.by_scope

    @property
    def by_primitive(self) -> dict[str, Cost]:
        """The cost of each primitive."""
        return self.costs.by_primitive

    @property
    def uncounted(self) -> list[Uncounted]:
        """What the figures leave out, or count once only, and why."""
        return self.costs.uncounted

    def flops_range(self) -> tuple[int, int]:
        """The least and the most operations, by the branches that are taken."""
        least = cost_of(self.program, self.trip_counts, branches="min")
        return least.total.flops, self.flops

    def tree(self, **options: Any) -> Any:
        """The program as a tree, with costs: see `jaxkit.jaxpr.tree`."""
        return _part("tree", "tree_of")(self, **options)

    def diff(self, other: Inspection, **options: Any) -> Any:
        """What another program does otherwise: see `jaxkit.jaxpr.diff`.

        Args:
          other: the program after a change of this one.
          options: as `jaxkit.jaxpr.diff` takes them.
        """
        return _part("diff", "diff_of")(self, other, **options)

    def xla(self) -> Report:
        """Compiles the program, and puts XLA's figures beside ours with why they differ.

        Returns:
          a report; its ``data`` has ``ours``, ``xla`` and ``reasons``.
        """
        from jaxkit.jaxpr.xla import compare_with_xla

        return compare_with_xla(self.program, self.costs, self.peak, self.donated)


def inspection_of(
    program: Program,
    name: str,
    donated: tuple[int, ...],
    lints: Sequence[str] | None,
    trip_counts: int | Mapping[Key, int] | None,
) -> Inspection:
    """Puts an inspection together.

    Args:
      program: the traced function.
      name: what to call it.
      donated: inputs that may be overwritten, captured ones not counted.
      lints: as for `jaxkit.inspect`.
      trip_counts: as for `jaxkit.inspect`.
    """
    costs = cost_of(program, trip_counts)
    findings = _findings(program, lints, donated)
    donated = tuple(i + program.captured for i in donated)
    captured = tuple(f"captured value {i}" for i in range(program.captured))
    peak = peak_of(program, donated=donated, names=(*captured, *program.arguments))
    found = Inspection(
        "inspect",
        findings,
        data_of_inspection(name, costs, peak),
        blocks_of_inspection(name, costs, peak, findings, lambda: found, linted=lints != []),
        name=name,
        program=program._replace(inputs=()),  # the user's arrays are not kept alive
        costs=costs,
        peak=peak,
        donated=donated,
        trip_counts=trip_counts,
    )
    return found


def _findings(
    program: Program, lints: Sequence[str] | None, donated: tuple[int, ...]
) -> Sequence[Finding]:
    if lints is not None and not lints:
        return ()
    findings_of = _part("lints", "findings_of")
    return findings_of(program, select=lints, donated=donated)


def _part(module: str, name: str) -> Any:
    """A part of this package that needs this one."""
    return getattr(import_module(f"jaxkit.jaxpr.{module}"), name)
