"""The report on a run: how it ended, what it measured last, and what is worth being told."""

from __future__ import annotations

from typing import Any

from jaxkit.compiles.log import CompileLog
from jaxkit.report import Finding, Report, Table, Text
from jaxkit.report.blocks import Align, Block
from jaxkit.training.data import Data
from jaxkit.training.loop import Loop

__all__ = ["report_of"]

_WORDS = {
    "finished": "finished",
    "early": "stopped early, as the metric had not improved",
    "nonfinite": "stopped at a step that was not finite",
    "signal": "ended by SIGTERM",
    "interrupted": "interrupted by Ctrl-C",
    "callback": "stopped by a callback",
}
_ROWS = 5


def report_of(loop: Loop, timing: Report, compiles: CompileLog) -> Report:
    """The report on a run that has ended.

    Args:
        loop: The run.
        timing: The report of its clock.
        compiles: The log of its compilations.
    """
    skipped, resumed, best = int(loop.skipped), loop.resumed_from, loop.best
    findings: list[Finding] = []
    if loop.nonfinite is not None:
        findings += loop.nonfinite.findings
    findings += [*_skipped(skipped, loop.step), *_ragged(loop.data), *_timed(loop.data, timing)]
    rows = loop.history.rows
    figures = {
        "stopped": loop.stopped,
        "steps": loop.step,
        "epochs": loop.epochs,
        "skipped": skipped,
        "resumed_from": None if resumed is None else {"step": resumed[0], "directory": resumed[1]},
        "best": None if best is None else {"step": best[0], "value": best[1]},
        "last": dict(rows[-1]) if rows else {},
        "timing": {name: value for name, value in timing.data.items() if name != "phases"},
        "compile_seconds": sum(event.total_seconds for event in compiles.events),
    }
    return Report("fit", findings, figures, _blocks(loop, findings, timing))


def _blocks(loop: Loop, findings: list[Finding], timing: Report) -> list[Block]:
    steps = "1 step" if loop.step == 1 else f"{loop.step:,} steps"
    epochs = "1 epoch" if loop.epochs == 1 else f"{loop.epochs:,} epochs"
    words = _WORDS[loop.stopped or "finished"]
    blocks: list[Block] = [Text(f"fit: {steps}, {epochs}; {words}", style="heading")]
    if loop.resumed_from is not None:
        step, directory = loop.resumed_from
        now = "1 step was" if loop.step - step == 1 else f"{loop.step - step:,} steps were"
        blocks.append(Text(f"resumed from step {step} of {directory}; {now} done now"))
    if loop.best is not None:
        step, value = loop.best
        blocks.append(Text(f"the model is that of step {step:,}, the best one: {value:.5g}"))
    for found in findings:
        style = "plain" if found.severity == "info" else "bad"
        where = f"  {found.where}" if found.where else ""
        blocks.append(Text(f"{found.kind}{where}  {found.message}", style=style))
        if found.fix:
            blocks.append(Text(f"  fix: {found.fix}"))
    rows = loop.history.rows[-_ROWS:]
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[_cell(row.get(name)) for name in names] for row in rows]
        title = "history, the last rows" if len(loop.history.rows) > len(rows) else "history"
        align: list[Align] = ["right"] * len(names)
        blocks.append(Table(names, cells, title=title, align=align))
    return [*blocks, *(timing.blocks if loop.clock.steps else [])]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.5g}"


def _skipped(count: int, steps: int) -> list[Finding]:
    if not count:
        return []
    message = f"{count} of {steps} steps were not finite and not applied"
    return [Finding("skipped-steps", "warning", message, data={"skipped": count, "steps": steps})]


def _timed(data: Data, timing: Report) -> list[Finding]:
    """Those of the clock, but for recompilations that are known of."""
    known = bool(data.compiled_apart) or data.ragged == "compile"
    return [each for each in timing.findings if not (known and each.kind == "recompiled")]


def _ragged(data: Data) -> list[Finding]:
    if not data.compiled_apart:
        return []
    epoch, position, rows = data.compiled_apart[0]
    message = (
        f"batch {position} of epoch {epoch} had {rows} rows in place of {data.rows}, and the step "
        "was compiled again for it: a loss of one number would count its padding"
    )
    fix = "return one loss for each example (and each metric likewise), or take an argument `mask`"
    sizes = sorted({each[2] for each in data.compiled_apart})
    return [Finding("ragged-batch", "warning", message, fix=fix, data={"rows": sizes})]
