"""What a transform finds while a program runs: handed to the logs that are open, shown first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from jaxkit.compiles.log import CompileLog
from jaxkit.report import Finding, Report, Tree

__all__ = ["before_the_end", "hand_over", "settle", "with_findings"]

_SHOWN = 5
_settlers: list[Callable[[], None]] = []


def hand_over(finding: Finding) -> bool:
    """Gives a finding to every open log.

    Args:
        finding: What was found.

    Returns:
        Whether there is one: whether anybody will see it.
    """
    from jaxkit.compiles.recorder import RECORDER

    logs = [sink for sink in RECORDER.sinks if isinstance(sink, CompileLog)]
    for log in logs:
        log.found(finding)
    return bool(logs)


def before_the_end(settler: Callable[[], None]) -> None:
    """Has something done before a log is closed.

    Args:
        settler: Waits for findings that are under way.
    """
    if settler not in _settlers:
        _settlers.append(settler)


def settle() -> None:
    """Waits for all findings that are under way."""
    for each in list(_settlers):
        each()


def with_findings(report: Report, findings: Sequence[Finding]) -> Report:
    """A report with more findings, which come first: they are what was asked for.

    Args:
        report: Of the compilations.
        findings: Of what was applied to the program.
    """
    trees = []
    for found in findings[:_SHOWN]:
        label, *rest = found.message.split("; ")
        style = "plain" if found.severity == "info" else "bad"
        said = found.where is None or f":{found.where.line}" in found.message
        at = "" if said else f"  {found.where}"
        more = [f"fix: {found.fix}"] if found.fix else []
        trees.append(Tree(f"{found.kind}{at}  {label}", [*rest, *more], style=style))
    if len(findings) > _SHOWN:
        trees.append(Tree(f"and {len(findings) - _SHOWN} more findings of what was applied"))
    head, *blocks = report.blocks
    both = [*findings, *report.findings]
    return dataclasses.replace(report, findings=both, blocks=[head, *trees, *blocks])
