"""One thing worth telling the user: what, where in the source, why, and how to fix it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from jaxkit.report.check import check_one_of, check_type
from jaxkit.report.frozen import FrozenMapping, freeze, thaw

__all__ = ["SEVERITIES", "Finding", "Severity", "SourceLine", "rank"]

Severity = Literal["error", "warning", "info"]

# From the worst to the mildest.
SEVERITIES: tuple[str, ...] = get_args(Severity)
# Underscores only where the name is that of a function: the law `shard_map`.
_KEBAB_CASE = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def rank(severity: Severity) -> int:
    """0 for an error, and more the milder: sort by it, or compare with it."""
    return SEVERITIES.index(severity)


@dataclass(frozen=True)
class SourceLine:
    """A place in the source of the user's program.

    Example:
        >>> str(SourceLine("train.py", 41, function="train_step"))
        'train.py:41 in train_step'

    Args:
        file: The file, as the user would open it.
        line: Counted from 1; 0 where it is not known.
        column: Counted from 1, as editors do.
        function: The function that the line is in; empty at module level or where it is not known.

    Raises:
        TypeError: An argument of another type.
        ValueError: A line below 0, a column below 1.
    """

    file: str
    line: int
    column: int | None = None
    function: str = ""

    def __post_init__(self) -> None:
        check_type("file", self.file, str)
        check_type("line", self.line, int)
        check_type("function", self.function, str)
        if self.line < 0:
            raise ValueError(f"line must be 0 (not known) or more, got line={self.line}")
        if self.column is not None:
            check_type("column", self.column, int)
            if self.column < 1:
                raise ValueError(f"column must be 1 or more, or None, got column={self.column}")

    def __str__(self) -> str:
        place = ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)])
        return f"{place} in {self.function}" if self.function else place

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this place."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "function": self.function,
        }


@dataclass(frozen=True)
class Finding:
    """One thing worth telling the user.

    Example:
        >>> Finding("shape-change", "warning", "batch['x'] changed shape", fix="pad it").kind
        'shape-change'

    Args:
        kind: What was found, in kebab-case: stable, to filter by.
        severity: `error` (wrong), `warning` (wasteful or suspicious) or `info` (worth knowing).
        message: What was found, for a person, in a sentence or two.
        where: The line to look at.
        fix: What to do about it, specifically.
        data: The same as values for programs: JSON values, of which a copy is kept that cannot
            change (lists become tuples, NaN and infinities their names).

    Raises:
        TypeError: An argument of another type, or data that is no JSON.
        ValueError: A kind that is not kebab-case, an unknown severity, an empty message.
    """

    kind: str
    severity: Severity
    message: str
    where: SourceLine | None = None
    fix: str | None = None
    data: Mapping[str, Any] = field(default_factory=lambda: FrozenMapping({}))

    def __post_init__(self) -> None:
        check_type("kind", self.kind, str)
        if not _KEBAB_CASE.fullmatch(self.kind):
            raise ValueError(
                f"kind must be kebab-case such as 'shape-change', got kind={self.kind!r}"
            )
        check_one_of("severity", self.severity, SEVERITIES)
        check_type("message", self.message, str)
        if not self.message.strip():
            raise ValueError(f"message must say something, got message={self.message!r}")
        if self.where is not None:
            check_type("where", self.where, SourceLine)
        if self.fix is not None:
            check_type("fix", self.fix, str)
        check_type("data", self.data, Mapping)
        object.__setattr__(self, "data", freeze(self.data, name="data"))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this finding."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "where": None if self.where is None else self.where.to_dict(),
            "fix": self.fix,
            "data": thaw(self.data),
        }
