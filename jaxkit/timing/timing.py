"""What `jaxkit.benchmark` returns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxkit.report import Align, Figures, Finding, Report, Section, Table, Text, Tree
from jaxkit.report.blocks import Block
from jaxkit.report.finding import rank
from jaxkit.timing.memory import Memory
from jaxkit.timing.statistics import Estimate, quantiles
from jaxkit.timing.units import interval_text, rate_text, seconds_text

__all__ = ["Figure", "Timing", "data_of", "finding_blocks", "report_of"]


@dataclass(frozen=True)
class Figure:
    """What was measured of one function, before it is made a report.

    Attributes:
        name: Of the function.
        samples: Seconds of a call, in the order in which they were taken.
        estimate: The figure that is quoted.
        first_call_seconds: Of the first call.
        compile_seconds: Of tracing, lowering and compiling.
        inner: Calls in the block that a sample is the mean of.
        incomplete: Why it is not whole; empty if it is.
        items: How many things a call handles.
        memory: What a call takes of the device's memory.
        cost: Gives operations, and bytes of arguments and results, or None; called when it is
            first asked for.
    """

    name: str
    samples: Sequence[float]
    estimate: Estimate
    first_call_seconds: float
    compile_seconds: float
    inner: int
    incomplete: str
    items: float | None
    memory: Memory | None
    cost: Callable[[], tuple[int, int] | None]


@dataclass(frozen=True, eq=False)
class Timing(Report):
    """How long a call of a function takes, and what makes the figure doubtful.

    Example:
        >>> import jax, jax.numpy as jnp, jaxkit
        >>> timing = jaxkit.benchmark(jax.jit(jnp.sin), max_seconds=0.1)(jnp.ones(1000))
        >>> 0 < timing.interval[0] <= timing.seconds <= timing.interval[1]
        True
        >>> timing.first_call_seconds > timing.seconds, timing.ok
        (True, True)
    """

    figure: Figure = field(default=None, kw_only=True, repr=False)  # type: ignore[assignment]

    @property
    def name(self) -> str:
        """The function's name."""
        return self.figure.name

    @property
    def seconds(self) -> float:
        """Seconds of a call: the median of the minima of 20 stretches of time."""
        return self.figure.estimate.value

    @property
    def interval(self) -> tuple[float, float]:
        """Where `seconds` lies, in 95 of 100 measurements."""
        return self.figure.estimate.interval

    @property
    def samples(self) -> np.ndarray:
        """Seconds of a call, in the order in which they were taken; those that compiled are out."""
        return np.array(self.figure.samples)

    @functools.cached_property
    def quantiles(self) -> dict[str, float]:
        """``min``, ``q10``, ``median``, ``q90``, ``p95``, ``max`` and ``mean`` of the samples."""
        return quantiles(self.figure.samples)

    @property
    def median(self) -> float:
        """Of the samples, with all that other programs added to them."""
        return self.quantiles["median"]

    @property
    def first_call_seconds(self) -> float:
        """Seconds of the first call, with all that it traces and compiles."""
        return self.figure.first_call_seconds

    @property
    def compile_seconds(self) -> float:
        """Of tracing, lowering and compiling; 0 where it had been compiled before."""
        return self.figure.compile_seconds

    @property
    def incomplete(self) -> str:
        """Why it was not measured to the end, such as ``interrupted``; empty if it was."""
        return self.figure.incomplete

    @property
    def memory(self) -> Memory | None:
        """The device's memory that a call takes, and where that figure is from."""
        return self.figure.memory

    @functools.cached_property
    def flops(self) -> int | None:
        """Operations of a call, as `jaxkit.inspect` counts them; None where it cannot."""
        found = self.figure.cost()
        return found[0] if found else None

    @property
    def flops_per_second(self) -> float | None:
        """Operations a second; None where they are not known."""
        return self.flops / self.seconds if self.flops else None

    @property
    def throughput(self) -> float | None:
        """``items`` a second; without ``items=``, operations a second; None without both."""
        if self.figure.items is not None:
            return self.figure.items / self.seconds
        return self.flops_per_second

    def roofline(self) -> float | None:
        """How much of what this device can do was done, from 0 to 1; None without known work.

        The limits are those that `jaxkit.timing.machine_limits` measures, which takes two seconds
        the first time; what must be moved are the arguments and the results, once.
        """
        from jaxkit.timing._machine_limits import machine_limits

        found = self.figure.cost()
        if not found or not self.seconds:
            return None
        return machine_limits().fraction(self.seconds, flops=found[0], bytes=found[1])

    def __repr__(self) -> str:
        return f"<Timing of {self.name}: {headline(self.figure)}>"


def report_of(figure: Figure, findings: Sequence[Finding]) -> Timing:
    """The report of one function.

    Args:
        figure: What was measured.
        findings: What makes it doubtful.
    """
    ordered = sorted(findings, key=lambda each: rank(each.severity))
    found: Timing = Timing(
        "benchmark",
        ordered,
        data_of(figure),
        _blocks(figure, ordered, lambda: found),
        figure=figure,
    )
    return found


def headline(figure: Figure) -> str:
    """The figure with its interval, in a few words."""
    text = seconds_text(figure.estimate.value)
    low, high = figure.estimate.interval
    between = interval_text(low, high)
    return f"{text} a call" + (f" ({between})" if between != "unknown" else "")


def data_of(figure: Figure) -> dict[str, Any]:
    """The figures of one function as JSON values.

    Args:
        figure: What was measured.
    """
    low, high = figure.estimate.interval
    memory = figure.memory
    return {
        "function": figure.name,
        "seconds": figure.estimate.value,
        "interval": [low, high],
        "quantiles": quantiles(figure.samples),
        "samples": len(figure.samples),
        "calls_a_sample": figure.inner,
        "first_call_seconds": figure.first_call_seconds,
        "compile_seconds": figure.compile_seconds,
        "items": figure.items,
        "memory": None if memory is None else memory.to_dict(),
        "incomplete": figure.incomplete,
    }


def _blocks(
    figure: Figure, findings: Sequence[Finding], timing: Callable[[], Timing]
) -> list[Block]:
    spread = quantiles(figure.samples)
    count = f"{len(figure.samples)} samples"
    count += f" of {figure.inner} calls" if figure.inner > 1 else ""
    items = [
        ("first call", seconds_text(figure.first_call_seconds), _compiling(figure)),
        ("measured", count, figure.incomplete),
    ]
    shown = ("min", "q10", "median", "q90", "p95")
    right: list[Align] = ["right"] * len(shown)
    blocks: list[Block] = [
        Text(f"{figure.name}: {headline(figure)}", style="heading"),
        Table(shown, [[seconds_text(spread[name]) for name in shown]], align=right),
        Figures(items),
        Section("", lambda: _rates(timing())),
    ]
    blocks.extend(finding_blocks(findings))
    return blocks


def _compiling(figure: Figure) -> str:
    if not figure.compile_seconds:
        return "nothing was compiled"
    return f"{seconds_text(figure.compile_seconds)} of it tracing and compiling"


def _rates(timing: Timing) -> list[Block]:
    items: list[tuple[str, str, str]] = []
    if timing.figure.items is not None:
        rate = timing.figure.items / timing.seconds
        items.append(("throughput", rate_text(rate, "items/s"), ""))
    if timing.flops_per_second:
        items.append(("arithmetic", rate_text(timing.flops_per_second, "FLOP/s"), ""))
    if timing.memory is not None:
        items.append(("memory", timing.memory.text, timing.memory.source))
    return [Figures(items)] if items else []


def finding_blocks(findings: Sequence[Finding]) -> list[Block]:
    """Findings below the figures that they are about.

    Args:
        findings: In their order.
    """
    return [
        Tree(
            f"{each.severity} {each.kind}" + (f"  {each.where}" if each.where else ""),
            [each.message, *([f"fix: {each.fix}"] if each.fix else [])],
            style="plain" if each.severity == "info" else "bad",
        )
        for each in findings
    ]
