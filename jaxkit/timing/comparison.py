"""What `jaxkit.compare` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from os import PathLike
from typing import Any

from jaxkit.errors import MissingExtraError
from jaxkit.report import Align, Finding, Report, Table, Text
from jaxkit.report.blocks import Block
from jaxkit.report.finding import rank
from jaxkit.timing.rounds import Samples
from jaxkit.timing.statistics import Estimate, Verdict, ratio, verdict
from jaxkit.timing.timing import Timing, data_of, finding_blocks
from jaxkit.timing.units import rate_text, ratio_text, seconds_text

__all__ = ["Comparison", "Side", "comparison_of"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the functions, compared with the baseline.

    Attributes:
        name: What the report calls it.
        ratio: Its seconds divided by those of the baseline: 1.2 is slower by a fifth.
        interval: Where `ratio` lies, in 95 of 100 comparisons.
        verdict: ``faster``, ``slower``, ``same`` or ``undecided``.
        timing: Its own figures.
    """

    name: str
    ratio: float
    interval: tuple[float, float]
    verdict: Verdict
    timing: Timing

    @property
    def seconds(self) -> float:
        """Seconds of a call."""
        return self.timing.seconds


@dataclass(frozen=True, eq=False)
class Comparison(Report):
    """Several functions, each compared with the baseline.

    Example:
        >>> import jax, jax.numpy as jnp, jaxkit
        >>> functions = {"sin": jax.jit(jnp.sin), "cos": jax.jit(jnp.cos)}
        >>> found = jaxkit.compare(functions, max_seconds=0.3, min_seconds=0.1)(jnp.ones(1000))
        >>> list(found), found.baseline
        (['sin', 'cos'], 'sin')
        >>> found["sin"].ratio, found["sin"].verdict
        (1.0, 'same')
    """

    sides: Mapping[str, Side] = field(default_factory=dict, kw_only=True, repr=False)
    baseline: str = field(default="", kw_only=True)

    def __getitem__(self, name: str) -> Side:
        if name not in self.sides:
            raise KeyError(f"there is no {name!r}; there are {', '.join(self.sides)}")
        return self.sides[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sides)

    def __len__(self) -> int:
        return len(self.sides)

    def __contains__(self, name: object) -> bool:
        return name in self.sides

    @property
    def incomplete(self) -> str:
        """Why it was not measured to the end; empty if it was."""
        return next((s.timing.incomplete for s in self.sides.values() if s.timing.incomplete), "")

    @property
    def fastest(self) -> str:
        """The name of the function with the fewest seconds a call."""
        return min(self.sides, key=lambda name: self.sides[name].ratio)

    def plot(self, path: str | PathLike[str] | None = None) -> Any:
        """Draws the ratios with their intervals, and the samples that they are from.

        Args:
            path: Where to write the picture; its suffix chooses the form. Left out, none is.

        Returns:
            The figure of matplotlib.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        try:
            figures = import_module("matplotlib.figure")
        except ImportError as error:
            raise MissingExtraError("matplotlib", "plot") from error
        names = list(self.sides)
        figure = figures.Figure(figsize=(9, 1.5 + 0.5 * len(names)), layout="constrained")
        ratios, seconds = figure.subplots(1, 2, sharey=True)
        for row, side in enumerate(self.sides.values()):
            low, high = side.interval
            ratios.plot([low, high], [row, row], color="C0", linewidth=2)
            ratios.plot([side.ratio], [row], "o", color="C0")
        ratios.axvline(1.0, color="gray", linewidth=1)
        ratios.set(yticks=range(len(names)), yticklabels=names)
        ratios.set(xlabel=f"seconds, as a ratio to {self.baseline}")
        samples = [side.timing.samples for side in self.sides.values()]
        seconds.boxplot(samples, positions=range(len(names)), orientation="horizontal", sym="")
        seconds.set(xlabel="seconds a call", yticks=range(len(names)), yticklabels=names)
        seconds.locator_params(axis="x", nbins=4)
        seconds.xaxis.set_major_formatter(lambda value, _: seconds_text(value))
        ratios.invert_yaxis()
        if path is not None:
            figure.savefig(path)
        return figure

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.sides)} with {self.baseline}>"


def comparison_of(timings: Mapping[str, Timing], samples: Samples, baseline: str) -> Comparison:
    """The report of several functions.

    Args:
        timings: Each function's own, in the order of the samples.
        samples: What was measured.
        baseline: The one that the others are compared with.
    """
    names = list(timings)
    zero = names.index(baseline)
    sides = {name: _side(name, timings[name], samples, names.index(name), zero) for name in names}
    findings = [_of(name, each) for name in names for each in timings[name].findings]
    findings.sort(key=lambda each: rank(each.severity))
    data = {
        "baseline": baseline,
        "rounds": samples.rounds,
        "functions": {name: _data(side) for name, side in sides.items()},
    }
    blocks = [*_blocks(sides, baseline, samples), *finding_blocks(findings)]
    return Comparison("compare", findings, data, blocks, sides=sides, baseline=baseline)


def _side(name: str, timing: Timing, samples: Samples, side: int, zero: int) -> Side:
    if side == zero:
        return Side(name, 1.0, (1.0, 1.0), "same", timing)
    found = _ratio(timing, samples, side, zero)
    return Side(name, found.value, found.interval, verdict(found), timing)


def _ratio(timing: Timing, samples: Samples, side: int, zero: int) -> Estimate:
    if not samples.rounds:
        return Estimate(float("nan"), 0.0, float("inf"))
    return ratio(*samples.paired(side, zero))


def _of(name: str, finding: Finding) -> Finding:
    data = {**finding.data, "function": name}
    return dataclasses.replace(finding, message=f"{name}: {finding.message}", data=data)


def _data(side: Side) -> dict[str, Any]:
    return {
        "ratio": side.ratio,
        "interval_of_ratio": list(side.interval),
        "verdict": side.verdict,
        **data_of(side.timing.figure),
    }


def _blocks(sides: Mapping[str, Side], baseline: str, samples: Samples) -> list[Block]:
    rates = any(side.timing.figure.items for side in sides.values())
    columns = ["", "a call", "ratio", "interval of 95%", "verdict"]
    rows = [
        [
            side.name,
            seconds_text(side.seconds),
            ratio_text(side.ratio),
            "" if side.name == baseline else _between(side.interval),
            "baseline" if side.name == baseline else side.verdict,
            *([rate_text(side.timing.throughput or 0.0, "items/s")] if rates else []),
        ]
        for side in sides.values()
    ]
    columns += ["throughput"] if rates else []
    said = f"{samples.rounds} rounds in turns; slower or faster: beyond 1%, same: within 3%"
    if samples.interrupted:
        said = f"interrupted after {said}"
    align: list[Align] = ["left", "right", "right", "right", "left"]
    table = Table(columns, rows, align=[*align, "right"] if rates else align)
    return [table, Text(said, style="dim")]


def _between(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{ratio_text(low)} - {ratio_text(high)}"
