"""What figures of a noisy machine say: pure functions of samples, no clock and no JAX.

Other programs only ever add time. So samples are taken in the order of time, cut into groups, and
each group is represented by its minimum: what is left are 20 figures of calls that were disturbed
little, and their spread is that of the machine over the whole time of measuring. The trimmed mean
of the logarithms of two sides' ratios has an interval that neither tails nor a few bad groups widen
(Yuen's).

References:
    K. K. Yuen, The two-sample trimmed t for unequal population variances, Biometrika 61 (1974).
    R. Wilcox, Introduction to Robust Estimation and Hypothesis Testing, section 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "BAND",
    "GROUPS",
    "SAME",
    "Estimate",
    "Verdict",
    "estimate",
    "group_minima",
    "median_interval",
    "ratio",
    "trimmed",
    "verdict",
]

GROUPS = 20
TRIM = 0.2
CONFIDENCE = 0.95
BAND = 0.01  # ratios closer to 1 than this are never called a difference
SAME = 0.03  # an interval within this is called no difference

Verdict = Literal["faster", "slower", "same", "undecided"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, and the interval that has the true one in 95 of 100 measurements.

    Attributes:
        value: The figure.
        low: Where the interval begins; minus infinity, or 0 for a ratio, where nothing is known.
        high: Where it ends.
    """

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    @property
    def spread(self) -> float:
        """Half the interval's width, as a share of the figure."""
        if not math.isfinite(self.high - self.low) or not self.value:
            return math.inf
        return (self.high - self.low) / 2 / self.value


def group_minima(samples: Sequence[float] | Floats, groups: int = GROUPS) -> Floats:
    """The minimum of each of so many stretches of samples, in the order of time.

    Example:
        >>> group_minima([3.0, 1.0, 9.0, 2.0, 2.5, 2.6], groups=3).tolist()
        [1.0, 2.0, 2.5]

    Args:
        samples: Seconds, in the order in which they were measured.
        groups: How many groups; where there are fewer than two samples for each, there are fewer
            groups, and each sample is one where there are fewer than six.
    """
    values = np.asarray(samples, float)
    if len(values) >= 6:
        groups = min(groups, len(values) // 2)
    parts = np.array_split(values, max(min(groups, len(values)), 1))
    return np.array([part.min() for part in parts if len(part)])


def trimmed(
    values: Sequence[float] | Floats, *, trim: float = TRIM, confidence: float = CONFIDENCE
) -> Estimate:
    """Mean of the middle, with Yuen's interval.

    Example:
        >>> found = trimmed([1.0, 1.1, 0.9, 1.0, 50.0])
        >>> round(found.value, 2), found.high < 2
        (1.03, True)

    Args:
        values: Independent figures.
        trim: The share that is left out at either end.
        confidence: Of the interval.
    """
    ordered = np.sort(np.asarray(values, float))
    count = len(ordered)
    if not count:
        return Estimate(math.nan, -math.inf, math.inf)
    cut = int(trim * count)
    middle = ordered[cut : count - cut]
    mean = float(middle.mean())
    if len(middle) < 2:
        return Estimate(mean, -math.inf, math.inf)
    winsorised = np.clip(ordered, middle[0], middle[-1])
    error = float(winsorised.std(ddof=1)) / ((1 - 2 * cut / count) * math.sqrt(count))
    half = _student(len(middle) - 1, confidence) * error
    return Estimate(mean, mean - half, mean + half)


def estimate(samples: Sequence[float] | Floats, *, groups: int = GROUPS // 2) -> Estimate:
    """What a call takes when it is left alone: the median of the groups' minima, and its interval.

    The load of a machine comes in phases, so that neighbouring groups are alike and count as less
    than two. The interval is the wider one of Yuen's and of the one that order statistics give.

    Example:
        >>> round(estimate([1.0, 1.3, 1.1, 4.0, 1.0, 1.2, 1.0, 1.1]).value, 2)
        1.0

    Args:
        samples: Seconds of a call, in the order in which they were measured.
        groups: How many groups of them there are: fewer than for a ratio, as the load of a phase
            does not cancel out.
    """
    minima = group_minima(samples, groups)
    if not len(minima):
        return Estimate(math.nan, 0.0, math.inf)
    middle = float(np.median(minima))
    if len(minima) < 2 or minima.min() <= 0:
        return Estimate(middle, 0.0, math.inf)
    wider = _likeness(np.log(minima))
    found = trimmed(np.log(minima))
    half = wider * (found.high - found.low) / 2
    ordered, count = np.sort(minima), len(minima)
    low = max(int(count / 2 - wider * 0.98 * math.sqrt(count)), 0)
    return Estimate(
        middle,
        min(_exp(found.value - half), float(ordered[low])),
        max(_exp(found.value + half), float(ordered[count - 1 - low])),
    )


def _likeness(values: Floats) -> float:
    """How much wider an interval is for the likeness of neighbours: from their correlation."""
    rest = values - values.mean()
    whole = float((rest**2).sum())
    if not whole or len(values) < 5:
        return 1.0
    alike = float((rest[1:] * rest[:-1]).sum()) / whole + 1 / len(values)
    alike = min(max(alike, 0.0), 0.8)
    return math.sqrt((1 + alike) / (1 - alike))


def ratio(
    samples: Sequence[float] | Floats,
    baseline: Sequence[float] | Floats,
    *,
    groups: int = GROUPS,
) -> Estimate:
    """How many times as long as the baseline one side takes, from samples taken in turns.

    Example:
        >>> found = ratio([2.0, 2.1, 2.0, 2.2] * 10, [1.0, 1.1, 1.0, 1.05] * 10)
        >>> round(found.value, 2)
        2.0

    Args:
        samples: Seconds of one side, in the order of time.
        baseline: As many of the other, each taken beside its neighbour.
        groups: How many groups of them there are.
    """
    ours, theirs = group_minima(samples, groups), group_minima(baseline, groups)
    if len(ours) != len(theirs):
        raise ValueError(
            f"samples and baseline must be of one length, got {len(samples)} and {len(baseline)}"
        )
    if not len(ours) or ours.min() <= 0 or theirs.min() <= 0:
        return Estimate(math.nan, 0.0, math.inf)
    found = trimmed(np.log(ours) - np.log(theirs))
    return Estimate(_exp(found.value), _exp(found.low), _exp(found.high))


def verdict(of: Estimate, *, band: float = BAND, same: float = SAME) -> Verdict:
    """What a ratio says.

    Example:
        >>> verdict(Estimate(1.2, 1.15, 1.25)), verdict(Estimate(1.2, 0.9, 1.6))
        ('slower', 'undecided')

    Args:
        of: The ratio of the seconds, and its interval.
        band: What is no difference worth telling, as a share.
        same: Within which the whole interval must lie for both to be called the same.
    """
    if of.low > 1 + band:
        return "slower"
    if of.high < 1 - band:
        return "faster"
    if of.low >= 1 - same and of.high <= 1 + same:
        return "same"
    return "undecided"


def median_interval(
    samples: Sequence[float] | Floats, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """An interval of the median that holds whatever the samples' distribution.

    Example:
        >>> median_interval(list(range(1, 101)))
        (40.0, 61.0)

    Args:
        samples: In any order.
        confidence: Of the interval; where there are too few samples for it, it is infinite.
    """
    from scipy.special import bdtr

    ordered = np.sort(np.asarray(samples, float))
    count = len(ordered)
    outside = (1 - confidence) / 2
    below = [k for k in range((count + 1) // 2) if bdtr(k, count, 0.5) <= outside]
    if not below:
        return -math.inf, math.inf
    return float(ordered[below[-1]]), float(ordered[count - 1 - below[-1]])


def _student(freedom: int, confidence: float) -> float:
    from scipy.special import stdtrit  # not scipy.stats, which takes half a second to import

    return float(stdtrit(freedom, (1 + confidence) / 2))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def quantiles(samples: Sequence[float] | Floats) -> dict[str, float]:
    """Minimum, q10, median, mean, q90, p95 and maximum: what a group's minimum does not show."""
    values = np.asarray(samples, float)
    names: Any = {"min": 0.0, "q10": 0.1, "median": 0.5, "q90": 0.9, "p95": 0.95, "max": 1.0}
    found = {name: float(np.quantile(values, share)) for name, share in names.items()}
    return {**found, "mean": float(values.mean())}
