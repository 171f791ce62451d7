"""The report on a training loop: where its time went, and what was compiled in its middle."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from jaxkit.report import Figures, Finding, Report, Section, Table, Text
from jaxkit.report.blocks import Block
from jaxkit.timing.units import rate_text, seconds_text

if TYPE_CHECKING:
    from jaxkit.timing.steps import StepClock

__all__ = ["report_of"]

_INPUT_BOUND = 1 / 3
_MEANING = {
    "data": "waiting for the next batch",
    "dispatch": "from the batch to step(): Python, and JAX where its queue is full",
    "blocked": "waiting for the device",
    "rest": "from step() to the next batch",
    "compile": "tracing, lowering and compiling",
}


def report_of(clock: StepClock[Any]) -> Report:
    """The report on the steps so far.

    Args:
        clock: The clock, in its loop or after it.
    """
    step, windows = clock.seconds_per_step, clock.windows
    data: dict[str, Any] = {
        "steps": clock.steps,
        "wall_seconds": clock.wall_seconds,
        "every": clock.every,
        "seconds_per_step": step,
        "windows": windows.count,
        "p95_seconds_per_step": windows.quantile(0.95) / 1e9 if windows.count else None,
        "phases": {
            phase.name: {"total": phase.total, "mean": phase.mean, "share": phase.share}
            for phase in clock.phases
        },
    }
    steps = "1 step" if clock.steps == 1 else f"{clock.steps:,} steps"
    blocks: list[Block] = [
        Text(f"jaxkit: {steps} in {seconds_text(clock.wall_seconds)}", style="heading"),
        *_figures(clock, step),
        _table(clock),
        Section("", clock.timeline, brief=[]),
    ]
    return Report("steps", _findings(clock), data, blocks)


def _figures(clock: StepClock[Any], step: float | None) -> list[Block]:
    if step is None:
        text = f"too few steps for a time a step: it takes more than {2 * clock.every} with step()"
        return [Text(text, style="dim")] if clock.every else []
    each = f"stretches of up to {2 * clock.every}" if clock.wholes else f"times {clock.every}"
    over = f"median of {clock.windows.count} {each} steps, nothing compiled in them"
    p95 = seconds_text(clock.windows.quantile(0.95) / 1e9)
    items = [
        ("a step", seconds_text(step), over),
        ("p95", p95, ""),
        ("rate", rate_text(1 / step, "steps/s"), "") if step else ("rate", "unknown", ""),
    ]
    return [Figures(items)]


def _table(clock: StepClock[Any]) -> Table:
    rows = [
        [phase.name, seconds_text(phase.mean), f"{phase.share:.1%}", _MEANING[phase.name]]
        for phase in clock.phases
    ]
    return Table(
        ["part", "a step", "share", "what it is"], rows, align=["left", "right", "right", "left"]
    )


def _findings(clock: StepClock[Any]) -> list[Finding]:
    found = _recompiled(clock)
    if clock.steps > 1 and clock.every and not clock.given:
        message = (
            f"nothing was given to step() in {clock.steps} steps, so that no step was waited for: "
            "the times are those of Python, not of the device"
        )
        fix = "call clock.step(loss) after each step, with a small result of it"
        found.append(Finding("unblocked-output", "warning", message, fix=fix))
    phases = {phase.name: phase for phase in clock.phases}
    waiting = phases["data"]
    busy = clock.wall_seconds - phases["compile"].total
    share = waiting.total / busy if busy > 0 else 0.0
    if clock.steps > 2 and share > _INPUT_BOUND:
        message = f"{share:.0%} of the time went into waiting for batches"
        fix = "load batches ahead, in another thread or process"
        found.append(Finding("input-bound", "info", message, fix=fix, data={"share": share}))
    return found


def _recompiled(clock: StepClock[Any]) -> list[Finding]:
    """One for each function, in the words of the log of compilations."""
    late: dict[tuple[str, str, int], Counter[int]] = {}
    for step, event in clock.recompilations:
        key = (event.function.name, event.function.file, event.function.line)
        late.setdefault(key, Counter())[step] += 1
    found: list[Finding] = []
    for each in clock.log.report().findings if late else ():
        key = (each.data["function"], each.data["file"], each.data["line"])
        if key in late:
            steps = sorted(late[key])
            which = (
                f"step {steps[0]}" if len(steps) == 1 else f"{len(steps)} steps from {steps[0]} on"
            )
            message = f"{each.message}; in {which}, {seconds_text(each.data['seconds'])}"
            data = {**each.data, "steps": steps[:100]}
            found.append(Finding("recompiled", "warning", message, each.where, each.fix, data))
    return found
