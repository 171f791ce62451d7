"""What every analysis returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Self, get_args

from jaxkit.errors import FindingsError
from jaxkit.report.blocks import Block
from jaxkit.report.check import check_each, check_one_of, check_type
from jaxkit.report.escape import escape
from jaxkit.report.finding import SEVERITIES, Finding, Severity, rank
from jaxkit.report.frozen import FrozenMapping, freeze, thaw
from jaxkit.report.versions import installed_versions

__all__ = ["SCHEMA", "Report"]

SCHEMA = "jaxkit.report/1"

# How many findings an exception's message shows before it says how many more there are.
_SHOWN = 5


@dataclass(frozen=True)
class Report:
    """What an analysis found: findings for all, data for programs, blocks for people.

    Example:
        >>> found = Finding("shape-change", "warning", "batch['x'] changed shape")
        >>> report = Report("compiles", [found])
        >>> report.ok
        False
        >>> Report.from_json(report.to_json()) == report
        True

    Args:
        tool: The analysis, such as `compiles`.
        findings: What was found.
        data: The figures behind it, as JSON values; a copy is kept that cannot change.
        blocks: What a person reads. Without blocks a renderer shows the findings. They are not part
            of the JSON, nor of what makes two reports equal.
        versions: A version for each name that matters; those installed here if left out.

    Raises:
        TypeError: An argument of another type, or data that is no JSON.
        ValueError: An empty tool.
    """

    tool: str
    findings: Sequence[Finding] = ()
    data: Mapping[str, Any] = field(default_factory=lambda: FrozenMapping({}))
    blocks: Sequence[Block] = field(default=(), compare=False)
    versions: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        check_type("tool", self.tool, str)
        if not self.tool:
            raise ValueError(f"tool must be the name of an analysis, got tool={self.tool!r}")
        versions = installed_versions() if self.versions is None else self.versions
        check_type("versions", versions, Mapping)
        check_type("data", self.data, Mapping)
        check_each("versions", versions.values(), (str,))
        object.__setattr__(self, "findings", tuple(self.findings))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "data", freeze(self.data, name="data"))
        object.__setattr__(self, "versions", freeze(versions, name="versions"))
        check_each("findings", self.findings, (Finding,))
        check_each("blocks", self.blocks, get_args(Block))

    @property
    def ok(self) -> bool:
        """Whether there is no finding of severity error or warning."""
        return not self._at_least("warning")

    def raise_if_found(self, severity: Severity = "error") -> Self:
        """Stops here if there is a finding of this severity or a worse one.

        Example:
            >>> Report("compiles").raise_if_found("warning").tool
            'compiles'

        Args:
            severity: The mildest that matters.

        Returns:
            The report itself, if there is none.

        Raises:
            FindingsError: There is one; the exception has the report as `.report`.
            ValueError: An unknown severity.
        """
        check_one_of("severity", severity, SEVERITIES)
        found = self._at_least(severity)
        if found:
            raise FindingsError(self, _message(self.tool, severity, found))
        return self

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of this report: plain dicts and lists, in the form of `schema.json`."""
        return {
            "schema": SCHEMA,
            "tool": self.tool,
            "versions": thaw(self.versions),
            "findings": [finding.to_dict() for finding in self.findings],
            "data": thaw(self.data),
        }

    def to_json(self) -> str:
        """The JSON document of this report, as text."""
        from jaxkit.report.render_json import render_json

        return render_json(self)

    @staticmethod
    def from_json(text: str | bytes) -> Report:
        """Reads back what `to_json` wrote.

        Args:
            text: The JSON document.

        Returns:
            An equal report, without the blocks: they are for people, the document for programs.

        Raises:
            ReportFormatError: It is no JSON, or no report.
        """
        from jaxkit.report.schema import read

        return read(text)

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the report to a file, whole or not at all.

        Args:
            path: The file; the ending of its name chooses the form. `jaxkit.report.suffixes()`
                lists them.

        Raises:
            ReportPathError: The ending is unknown, or the file cannot be written. What was there
                stays.
        """
        from jaxkit.report.save import save

        save(self, path)

    def __str__(self) -> str:
        from jaxkit.report.render_text import render_text, terminal_width

        return render_text(self, width=terminal_width())

    def __rich__(self) -> Any:
        from jaxkit.report.render_text import renderable

        return renderable(self)

    def _repr_html_(self) -> str:
        from jaxkit.report.render_html import fragment

        return fragment(self)

    def _at_least(self, severity: Severity) -> list[Finding]:
        return [found for found in self.findings if rank(found.severity) <= rank(severity)]


def _message(tool: str, severity: str, found: list[Finding]) -> str:
    count = "1 finding" if len(found) == 1 else f"{len(found)} findings"
    worse = "" if severity == "error" else " or worse"
    lines = [f"{tool}: {count} of severity {severity}{worse}"]
    for finding in found[:_SHOWN]:
        where = "" if finding.where is None else f"{finding.where}: "
        lines.append(escape(f"  {finding.kind}: {where}{finding.message}"))
    if len(found) > _SHOWN:
        lines.append(f"  and {len(found) - _SHOWN} more")
    return "\n".join(lines)
