"""What a tool says of a case, and whether that is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.numerics.faults.case import Case


def misses(tool: Callable[..., Any], cases: Iterable[Case]) -> list[str]:
    """The cases whose first finding is no fair one, each with what was said instead."""
    answers = {each: _answer(tool, each) for each in cases}
    return [f"{k.name}: {v}, not {k.kind} at line {k.line}" for k, v in answers.items() if v]


def _answer(tool: Callable[..., Any], case: Case) -> str:
    """Empty where the first finding is a fair one; else what was said instead."""
    report = tool(case.function)(*case.args())
    if not report.findings:
        return "nothing"
    first = report.findings[0]
    where = first.where and (Path(first.where.file).name, first.where.line)
    right = where and first.where.file == case.file and (first.where.line, first.kind) in case.fair
    return "" if right and first.severity != "info" else f"{first.kind} at {where}"
