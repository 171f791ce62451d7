"""What a search for precision has found, as a report."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from jaxkit.numerics.emulation.formats import Format
from jaxkit.numerics.searching.groups import Group
from jaxkit.report import Block, Finding, Report, Table, Text

__all__ = ["Assignment"]


@dataclasses.dataclass
class Assignment:
    """Which parts of a function stay as they are.

    Args:
        function: Its name.
        target: The format of all others.
        tolerance: How far outputs may be off.
        groups: The parts.
        kept: Numbers of those that stay; all of them before anything is known.
        error: How far the outputs are off then.
        alone: Of each part how far they are where it alone is lowered; what was not tried is
            missing.
        complete: Whether the search came to its end.
        runs: How often the program ran.
        seconds: How long it took, compilation included.
    """

    function: str
    target: Format
    tolerance: float
    groups: list[Group]
    kept: frozenset[int] = frozenset()
    error: float = 0.0
    alone: dict[int, float] = dataclasses.field(default_factory=dict)
    complete: bool = False
    runs: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.kept = frozenset(range(len(self.groups)))

    def report(self) -> Report:
        """The report."""
        return Report("search_precision", self._findings(), self._data(), self._blocks())

    def _ranked(self) -> list[int]:
        """Those that stay first, then by how much harm they do."""
        numbers = range(len(self.groups))
        return sorted(numbers, key=lambda n: (n not in self.kept, -self.alone.get(n, 0.0), n))

    def _findings(self) -> list[Finding]:
        found = [self._finding(n) for n in self._ranked() if n in self.kept and self.complete]
        if not self.complete:
            message = (
                f"the search was interrupted after {self.runs} runs: the parts that stay are "
                "enough, and fewer may be"
            )
            found.append(Finding("interrupted", "warning", message, fix="let it run to its end"))
        return found

    def _finding(self, number: int) -> Finding:
        group, alone = self.groups[number], self.alone[number]
        so = f"with it in {self.target} the outputs are off by"
        if alone > self.tolerance:
            message = f"{group.name} must stay: {so} {alone:.2g}, more than {self.tolerance:.2g}"
        else:
            message = (
                f"{group.name} must stay, as the others are lowered: {so} {alone:.2g} alone, and "
                f"by more than {self.tolerance:.2g} together"
            )
        fix = f"keep={[group.selector]!r} of jaxkit.emulate keeps it"
        data = {"selector": group.selector, "error_alone": alone}
        return Finding("needs-precision", "info", message, group.line, fix, data)

    def _data(self) -> dict[str, Any]:
        lowered = [group for n, group in enumerate(self.groups) if n not in self.kept]
        return {
            "function": self.function,
            "format": self.target.name,
            "saturate": self.target.saturate,
            "tolerance": self.tolerance,
            "error": self.error,
            "complete": self.complete,
            "runs": self.runs,
            "keep": [self.groups[n].selector for n in sorted(self.kept)],
            "flops_share": min(1.0, math.fsum(group.flops_share for group in lowered)),
            "bytes_saved_share": min(1.0, math.fsum(group.saved_share for group in lowered)),
            "parts": [self._part(n) for n in range(len(self.groups))],
        }

    def _part(self, number: int) -> dict[str, Any]:
        group = self.groups[number]
        return {
            "name": group.name,
            "selector": group.selector,
            "lowered": number not in self.kept,
            "equations": group.equations,
            "flops": group.flops,
            "flops_share": group.flops_share,
            "bytes_saved_share": group.saved_share,
            "error_alone": self.alone.get(number),
            "where": None if group.line is None else group.line.to_dict(),
        }

    def _blocks(self) -> list[Block]:
        return [Text(self._summary()), self._table(), *self._advice()]

    def _summary(self) -> str:
        count, lowered = len(self.groups), len(self.groups) - len(self.kept)
        data = self._data()
        return (
            f"{lowered} of {_parts(count)} of {self.function} can be {self.target}: "
            f"{data['flops_share']:.0%} of the operations, {data['bytes_saved_share']:.0%} of the "
            f"bytes saved; outputs off by {self.error:.2g}, tolerance {self.tolerance:.2g}. "
            f"{self.runs} runs, {self.seconds:.1f} s."
            + ("" if self.complete else " Interrupted: fewer parts than these may have to stay.")
        )

    def _table(self) -> Table:
        rows: list[tuple[str, ...]] = []
        for number in self._ranked():
            group, alone = self.groups[number], self.alone.get(number)
            kept = number in self.kept
            rows.append(
                (
                    group.name,
                    "as it is" if kept else str(self.target),
                    f"{group.flops_share:.1%}",
                    f"{0.0 if kept else group.saved_share:.1%}",
                    "not tried" if alone is None else f"{alone:.2g}",
                )
            )
        columns = ("part", "format", "operations", "bytes saved", "off by, alone")
        return Table(columns, rows, align=("left", "left", "right", "right", "right"))

    def _advice(self) -> list[Block]:
        keep = [self.groups[n].selector for n in sorted(self.kept)]
        option = f", keep={keep!r}" if keep else ""
        form = f"{self.target.name!r}" + (", saturate=True" if self.target.saturate else "")
        return [Text(f"To go on with it: jaxkit.emulate({self.function}, dtype={form}{option})")]


def _parts(count: int) -> str:
    return "1 part" if count == 1 else f"{count} parts"
