"""What is added up: exact sums, quantiles within half a percent, bounded memory."""

import math
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxkit.timing.durations import Durations
from jaxkit.timing.spans import Spans


def rank(values: list[int], share: float) -> int:
    """The quantile by its definition, from the sorted values."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=60), st.floats(0, 1))
def test_quantiles_are_those_of_the_sorted_values(values: list[int], share: float) -> None:
    durations = Durations()
    durations.add(values[:3])
    for value in values[3:]:
        durations.add([value])
    assert (durations.count, durations.total) == (len(values), sum(values))
    assert (durations.least, durations.most) == (min(values), max(values))
    expected = rank(values, share)
    assert abs(durations.quantile(share) - expected) <= 0.004 * expected


@given(st.lists(st.integers(0, 10**10), max_size=20), st.lists(st.integers(0, 10**10), max_size=20))
def test_merging_is_adding_both(first: list[int], second: list[int]) -> None:
    merged, whole, other = Durations(), Durations(), Durations()
    for value in first:
        merged.add([value]), whole.add([value])
    for value in second:
        other.add([value]), whole.add([value])
    merged.merge(other)
    for share in (0.0, 0.5, 0.95, 1.0):
        assert merged.quantile(share) == whole.quantile(share)
    assert (merged.count, merged.total, merged.mean) == (whole.count, whole.total, whole.mean)
    assert (merged.least, merged.most) == (whole.least, whole.most)


def test_without_any_there_are_zeros() -> None:
    assert (Durations().mean, Durations().quantile(0.5)) == (0.0, 0.0)


def test_very_many_spans_fit_into_little_memory() -> None:
    spans = Spans()
    node = spans.child(spans.root, "step")
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.normal(13, 1.5, 200_000)).astype(int).tolist()
    tracemalloc.start()
    begin = 0
    for length in lengths:
        spans.add(node, begin, begin + length)
        begin += length + 10
    stats = spans["step"]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 8e6
    assert stats.count == 200_000
    assert math.isclose(stats.total, sum(lengths) / 1e9)
    assert math.isclose(stats.p95, np.quantile(lengths, 0.95) / 1e9, rel_tol=0.006)
    assert len(spans.kept()[0]) == 20_000
    assert spans.kept()[1] == 180_000


def test_names_are_bounded() -> None:
    spans = Spans()
    for number in range(6_000):
        spans.add(spans.child(spans.root, f"step {number}"), 0, 5)
    assert len(list(spans)) == 5_001
    assert spans["(other spans)"].count == 1_000


def test_threads_lose_nothing() -> None:
    spans = Spans()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def work(number: int) -> None:
        node = spans.child(spans.root, f"name {number % 2}")
        for _ in range(5_000):
            spans.add(node, 0, 7)

    try:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            list(spans)  # reading while it grows
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert [stats.count for stats in spans] == [10_000, 10_000]
    assert sum(stats.total for stats in spans) == pytest.approx(20_000 * 7e-9)


def test_figures() -> None:
    spans = Spans()
    step = spans.child(spans.root, "step")
    load = spans.child(step, "load")
    second = 10**9
    spans.add(load, 0, second)
    spans.add(step, 0, 2 * second)
    spans.add(step, 2 * second, 6 * second, "ValueError")
    stats = spans["step"]
    assert (stats.path, stats.name, stats.count, stats.errors) == (("step",), "step", 2, 1)
    assert (stats.total, stats.mean, stats.max, stats.share) == (6.0, 3.0, 4.0, 1.0)
    assert (stats.p50, stats.p95) == (pytest.approx(2.0, rel=0.004), 4.0)
    assert (spans["load"].path, spans["step", "load"].path) == (("load",), ("step", "load"))
    assert spans["load"].total == spans["step", "load"].total == 1.0
    assert spans["load"].share == pytest.approx(1 / 6)
    assert spans.wall_seconds == 6.0
    assert repr(spans) == "<jaxkit spans: 3 of 2 names in 6 s>"
    with pytest.raises(KeyError) as caught:
        spans["lad"]
    assert caught.value.args == ("there is no span 'lad'; there are 'load', 'step'",)
    spans.clear()
    assert (list(spans), spans.count, spans.wall_seconds) == ([], 0, 0.0)


def test_the_report_as_text() -> None:
    spans = Spans()
    step = spans.child(spans.root, "step\n")
    for _ in range(4):
        spans.add(spans.child(step, "load"), 0, 10**6)
    spans.add(step, 0, 10**7, "ValueError")
    assert str(spans.report()).splitlines()[:5] == [
        "jaxkit: 5 spans of 2 names in 10.0 ms",
        "span     times    share      mean       p50       p95       max   errors",
        "-" * 72,
        "step\\n       1   100.0%   10.0 ms   10.0 ms   10.0 ms   10.0 ms        1",
        "> load       4    40.0%   1.00 ms   1.00 ms   1.00 ms   1.00 ms",
    ]
    assert spans.report().data["spans"][1] == {
        "path": ("step\n", "load"),
        "count": 4,
        "total": 0.004,
        "mean": 0.001,
        "p50": 0.001,
        "p95": 0.001,
        "max": 0.001,
        "share": 0.4,
        "errors": 0,
        "compile_seconds": 0.0,
    }
    assert "step\\n" in spans._repr_html_()
    assert str(Spans().report()) == "jaxkit: no span has ended\n"
