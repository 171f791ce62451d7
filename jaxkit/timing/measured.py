"""From samples to the report of one function."""

from __future__ import annotations

import numpy as np

from jaxkit.timing.detect import findings_of
from jaxkit.timing.memory import memory_of
from jaxkit.timing.program import program_of
from jaxkit.timing.rounds import Samples
from jaxkit.timing.statistics import Estimate, estimate
from jaxkit.timing.subject import Subject
from jaxkit.timing.timing import Figure, Timing, report_of

__all__ = ["timing_of"]

_SLOW = 0.05  # seconds of a call of which even the first ones count: there are few


def timing_of(
    subject: Subject,
    samples: Samples,
    side: int,
    *,
    name: str | None = None,
    items: float | None = None,
) -> Timing:
    """The report of one side.

    Args:
        subject: The function.
        samples: What was measured.
        side: Which of the sides it is.
        name: What to call it; the function's own name if left out.
        items: How many things a call handles.
    """
    values, incomplete = samples.clean(side), ""
    if subject.estimate > _SLOW:
        values = np.concatenate([subject.warm, values])
    found = estimate(values)
    if not len(values):
        values, found = np.array([subject.estimate]), Estimate(subject.estimate, 0.0, float("inf"))
        incomplete = "max_seconds was over after the first call"
    if samples.interrupted:
        incomplete = "interrupted"
    program = program_of(subject.fun, subject.given, subject.facts, found.value)
    figure = Figure(
        name or subject.name,
        tuple(float(value) for value in values),
        found,
        subject.first_call_seconds,
        subject.compile_seconds,
        samples.inner[side],
        incomplete,
        items,
        memory_of(subject.fun, subject.given),
        program.cost,
    )
    return report_of(figure, findings_of(subject, samples, side, program))
