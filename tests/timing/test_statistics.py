"""The statistics against a truth that is known: coverage, false verdicts, what is found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from jaxkit.timing.statistics import (
    Estimate,
    estimate,
    group_minima,
    median_interval,
    quantiles,
    ratio,
    trimmed,
    verdict,
)
from tests.timing.noise import one, pair

ROUNDS = 200
TIMES = 400


def ratios(true: float, rounds: int = ROUNDS, times: int = TIMES) -> list[Estimate]:
    rng = np.random.default_rng(7)
    return [ratio(*pair(rng, rounds, ratio=true)) for _ in range(times)]


@pytest.mark.parametrize("true", [1.0, 1.05, 1.2])
@pytest.mark.parametrize("rounds", [20, 60, 200, 1000])
def test_the_interval_of_a_ratio_has_the_true_one(true: float, rounds: int) -> None:
    found = ratios(true, rounds)
    share = np.mean([each.low <= true <= each.high for each in found])
    # 400 draws of 95% are 92.5% to 97.5% in 97.5 of 100; to be too wide is no fault.
    assert share >= 0.925


def test_equal_sides_are_not_called_different() -> None:
    verdicts = [verdict(each) for each in ratios(1.0)]
    wrong = sum(each in ("faster", "slower") for each in verdicts) / len(verdicts)
    assert wrong <= 0.03
    assert verdicts.count("same") > len(verdicts) * 0.3


def test_a_fifth_more_is_found() -> None:
    verdicts = [verdict(each) for each in ratios(1.2)]
    assert verdicts.count("slower") >= 0.95 * len(verdicts)
    assert "faster" not in verdicts
    verdicts = [verdict(each) for each in ratios(1 / 1.2)]
    assert verdicts.count("faster") >= 0.95 * len(verdicts)
    assert "slower" not in verdicts


def test_a_twentieth_more_is_never_called_faster() -> None:
    verdicts = [verdict(each) for each in ratios(1.05)]
    assert "faster" not in verdicts
    assert verdicts.count("same") <= 0.05 * len(verdicts)


def test_the_plain_mean_would_not_do() -> None:
    """What the rule is for: on the same samples a t-test of the means finds next to nothing."""
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(100):
        ours, theirs = pair(rng, ROUNDS, ratio=1.2)
        found += stats.ttest_ind(ours, theirs, equal_var=False).pvalue < 0.05
    assert found < 50


def test_one_function_is_quoted_as_it_is_when_left_alone() -> None:
    rng = np.random.default_rng(3)
    found = [estimate(one(rng, ROUNDS)) for _ in range(200)]
    assert all(0.99 <= each.value <= 1.3 for each in found)
    medians = [np.median(one(rng, ROUNDS)) for _ in range(200)]
    assert np.std([each.value for each in found]) < 0.5 * np.std(medians)
    assert all(each.low <= each.value <= each.high for each in found)


def test_the_interval_of_one_function_has_what_many_measurements_agree_on() -> None:
    rng = np.random.default_rng(5)
    for phases, least in ((False, 0.94), (True, 0.94)):
        found = [estimate(one(rng, ROUNDS, phases=phases)) for _ in range(TIMES)]
        agreed = np.median([each.value for each in found])
        assert np.mean([each.low <= agreed <= each.high for each in found]) >= least


def test_yuens_interval_is_scipys() -> None:
    """SciPy has the test of two samples; against a constant it is that of one."""
    values = np.random.default_rng(1).normal(3.0, 1.0, 40)
    found = trimmed(values)
    assert found.value == pytest.approx(stats.trim_mean(values, 0.2))
    scipys = stats.ttest_ind(values, values + 1e-3, trim=0.2)
    # The standard error of a difference of two such samples is sqrt(2) times that of one.
    error = abs(1e-3 / scipys.statistic) / math.sqrt(2)
    freedom = 40 - 2 * 8 - 1
    # SciPy estimates the error from h (h - 1); Yuen's formula for one sample from n (1 - 2g)^2.
    h = 24
    ours = (found.high - found.low) / 2 / stats.t.ppf(0.975, freedom)
    assert ours == pytest.approx(error * math.sqrt(h * (h - 1) / (39 * (0.6**2) * 40)), rel=1e-6)


@pytest.mark.parametrize("count", [5, 10, 20])
def test_yuens_interval_covers_also_with_few_values(count: int) -> None:
    rng = np.random.default_rng(2)
    found = [trimmed(rng.standard_t(3, count)) for _ in range(2000)]
    # At 95%, 2,000 draws have 94% or more in 97.5 of 100; Yuen's rule is an approximation.
    assert np.mean([each.low <= 0 <= each.high for each in found]) >= 0.93


def test_groups_are_stretches_of_time() -> None:
    assert group_minima(range(40), 20).tolist() == list(range(0, 40, 2))
    assert group_minima([3.0, 2.0, 4.0, 1.0, 5.0], 20).tolist() == [3, 2, 4, 1, 5]
    assert len(group_minima(range(10), 20)) == 5
    assert len(group_minima([1.0], 20)) == 1
    assert len(group_minima([], 20)) == 0


def test_too_little_says_nothing() -> None:
    assert math.isnan(estimate([]).value)
    assert estimate([2.0]).interval == (0.0, math.inf)
    assert estimate([2.0]).value == 2.0
    assert estimate([2.0]).spread == math.inf
    assert ratio([2.0], [1.0]).interval == (0.0, math.inf)
    assert verdict(ratio([2.0], [1.0])) == "undecided"
    assert math.isnan(ratio([], []).value)
    with pytest.raises(ValueError) as caught:
        ratio([1.0, 2.0], [1.0])
    assert str(caught.value) == "samples and baseline must be of one length, got 2 and 1"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.02, 1.3, "slower"),
        (1.005, 1.3, "undecided"),
        (0.7, 0.98, "faster"),
        (0.7, 0.995, "undecided"),
        (0.98, 1.02, "same"),
        (1.005, 1.02, "same"),
        (0.96, 1.02, "undecided"),
        (0.0, math.inf, "undecided"),
    ],
)
def test_verdicts(low: float, high: float, expected: str) -> None:
    assert verdict(Estimate((low + high) / 2, low, high)) == expected


def test_the_medians_interval_holds_for_any_distribution() -> None:
    rng = np.random.default_rng(4)
    found = [median_interval(rng.pareto(1.1, 50)) for _ in range(1000)]
    true = 2 ** (1 / 1.1) - 1
    assert np.mean([low <= true <= high for low, high in found]) >= 0.94
    assert median_interval([1.0, 2.0]) == (-math.inf, math.inf)


def test_quantiles_show_the_tail() -> None:
    found = quantiles([1.0] * 18 + [9.0, 10.0])
    assert (found["min"], found["median"], found["max"]) == (1.0, 1.0, 10.0)
    assert found["p95"] > 8
    assert found["mean"] == pytest.approx(1.85)
