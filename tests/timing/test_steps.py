"""The step clock: where the time of a loop goes, and that the device is never kept waiting."""

import json
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.compiles.recorder import RECORDER
from jaxkit.errors import UsageError
from jaxkit.report import render
from tests.report.test_trace import complete, read


class Metric:
    """A result, as far as the clock can tell; says when it was waited for."""

    def __init__(self, number: int, waits: list[int]) -> None:
        self.number = number
        self._waits = waits

    def block_until_ready(self) -> "Metric":
        self._waits.append(self.number)
        return self


def test_it_waits_every_few_steps_for_the_step_before() -> None:
    waits: list[int] = []
    seen: list[tuple[int, list[int]]] = []
    clock = jaxkit.timer.steps(range(1, 10), every=3)
    for number in clock:
        clock.step(Metric(number, waits))
        seen.append((number, list(waits)))
    assert [number for number, waited in seen if waited] == [4, 5, 6, 7, 8, 9]
    assert seen[3] == (4, [3])  # the fourth is in the queue meanwhile
    assert seen[6] == (7, [3, 6])
    assert clock.steps == 9
    assert clock.windows.count == 1


def test_a_loop_too_short_to_wait_in_counts_as_a_whole() -> None:
    step = jax.jit(lambda x: x + 1)
    clock = jaxkit.timer.steps([jnp.ones(3)] * 3, every=10)
    go(clock, lambda batch: clock.step(step(batch)))
    assert clock.seconds_per_step is None  # it was compiled in this one
    assert "too few steps" in str(clock.report())
    for _ in range(4):
        go(clock, lambda batch: clock.step(step(batch)))
    assert clock.windows.count == 4
    assert clock.seconds_per_step is not None
    assert 0 < clock.seconds_per_step < clock.wall_seconds / 12
    assert "median of 4 stretches of up to 20 steps" in " ".join(str(clock.report()).split())


def test_it_never_waits_if_told_so() -> None:
    waits: list[int] = []
    clock = jaxkit.timer.steps(range(9), every=0)
    for number in clock:
        clock.step(Metric(number, waits))
    assert waits == []
    assert clock.seconds_per_step is None
    assert clock.report().ok


def go(clock: Any, step: Callable[[Any], object]) -> None:
    for batch in clock:
        step(batch)


def batches(count: int, seconds: float = 0.0) -> Iterator[Any]:
    for _ in range(count):
        time.sleep(seconds)
        yield np.ones((4, 3), np.float32)


@jax.jit
def slow(x: Any) -> Any:
    def wait(x: Any) -> Any:
        time.sleep(0.02)
        return x

    return jax.pure_callback(wait, x, x)


def test_parts_of_a_known_length() -> None:
    state = slow(jnp.ones(3))
    clock = jaxkit.timer.steps(batches(9, 0.01), every=2)
    for _ in clock:
        state = slow(state)
        time.sleep(0.005)
        clock.step(state)
        time.sleep(0.002)
    phases = {phase.name: phase for phase in clock.phases}
    assert list(phases) == ["data", "dispatch", "blocked", "rest", "compile"]
    assert phases["data"].total >= 0.09
    assert phases["dispatch"].total >= 0.045
    assert phases["rest"].total >= 0.018
    assert sum(phase.total for phase in clock.phases) <= clock.wall_seconds * 1.01
    assert sum(phase.share for phase in clock.phases) > 0.8
    # The steps depend on each other, 20 ms each, the first of them compiled before.
    assert clock.seconds_per_step is not None
    assert 0.019 <= clock.seconds_per_step < 0.2


def test_compile_time_is_apart_and_a_late_compilation_is_told() -> None:
    update = jax.jit(lambda w, x: (w - x.sum(), (w * x.sum()).sum()))
    w = jnp.ones(3)
    sizes = [4] * 8 + [3] + [4] * 8
    clock = jaxkit.timer.steps([np.ones(size, np.float32) for size in sizes], every=2)
    with pytest.warns(RuntimeWarning) as told:
        go(clock, lambda batch: clock.step(update(w, batch)[1]))
    assert [warning.filename for warning in told] == [__file__]
    text = str(told[0].message)
    assert text.startswith("step 8 compiled <lambda> again: shape-change of x (f32[4] -> f32[3]), ")
    assert text.endswith(" s; clock.report() says how to stop it")
    phases = {phase.name: phase for phase in clock.phases}
    assert phases["compile"].total > 0
    # Windows in which something was compiled are no steady state.
    assert clock.windows.count < len(sizes) // 2
    [finding] = [f for f in clock.report().findings if f.severity == "warning"]
    assert finding.kind == "recompiled"
    assert finding.message.startswith("<lambda>: x changed shape: axis 0 took 2 sizes (4, 3); in ")
    assert finding.data["steps"] == (8,)
    assert finding.fix is not None
    assert RECORDER.innermost() is None


def test_a_sound_loop_has_nothing_found() -> None:
    update = jax.jit(lambda w, x: (w - x.sum(), (w * x.sum()).sum()))
    w, clock = jnp.ones(3), jaxkit.timer.steps([np.ones(4, np.float32)] * 12, every=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for batch in clock:
            w, loss = update(w, batch)
            clock.step({"loss": loss})
    report = clock.report()
    assert report.ok
    data = json.loads(report.to_json())["data"]
    assert (data["steps"], data["every"]) == (12, 3)
    assert str(report).startswith("jaxkit: 12 steps in ")
    assert "waiting for the next batch" in clock._repr_html_()


def test_a_loop_that_gives_nothing_to_wait_for() -> None:
    clock = jaxkit.timer.steps(range(5))
    for _ in clock:
        time.sleep(0.001)
    [finding] = clock.report().findings
    assert (finding.kind, finding.severity) == ("unblocked-output", "warning")
    assert finding.message == (
        "nothing was given to step() in 5 steps, so that no step was waited for: the times are "
        "those of Python, not of the device"
    )


def test_a_loop_that_waits_for_its_data() -> None:
    clock = jaxkit.timer.steps(batches(5, 0.02), every=2)
    for batch in clock:
        clock.step(batch)
    [finding] = clock.report().findings
    assert (finding.kind, finding.severity) == ("input-bound", "info")
    assert finding.message.endswith("% of the time went into waiting for batches")


def test_a_loop_that_is_left() -> None:
    clock = jaxkit.timer.steps(range(10), every=2)
    for number in clock:
        clock.step(jnp.float32(number))
        if number == 4:
            break
    assert clock.steps == 5
    assert RECORDER.innermost() is None
    wall = clock.wall_seconds
    assert clock.wall_seconds == wall
    for number in clock:  # and another epoch
        clock.step(jnp.float32(number))
    assert clock.steps == 15


def test_the_spans_of_a_loop() -> None:
    with jaxkit.timer.recording(compiles=False) as spans:
        clock = jaxkit.timer.steps(range(7), every=3, name="train")
        for number in clock:
            with jaxkit.timer("forward"):
                loss = jnp.float32(number)
            clock.step(loss)
    counts = {stats.path: stats.count for stats in spans}
    assert counts == {
        ("train",): 7,
        ("train", "data"): 7,
        ("train", "dispatch"): 7,
        ("train", "blocked"): 3,
        ("train", "rest"): 7,
        ("forward",): 7,
    }
    events = complete(read(render(clock.report(), ".trace.json")))
    assert {event["tid"] for event in events} == {1}
    assert [event["name"] for event in events if event["cat"] == "span"][:4] == [
        "train",
        "data",
        "dispatch",
        "forward",
    ]


def test_len_and_repr() -> None:
    clock = jaxkit.timer.steps([1, 2, 3])
    assert len(clock) == 3
    assert repr(clock) == "<jaxkit step clock: 0 steps in 0 s>"
    assert bool(jaxkit.timer.steps(iter([])))
    assert list(jaxkit.timer.steps(iter([1, 2]))) == [1, 2]


def test_misuse_is_explained() -> None:
    clock = jaxkit.timer.steps(range(3), every=1)
    with pytest.raises(UsageError) as caught:
        clock.step(1)
    assert str(caught.value) == (
        "step() was called outside of the clock's loop: call it once, after the step, in its loop"
    )
    with pytest.raises(UsageError) as caught:
        go(clock, lambda batch: (clock.step(1), clock.step(1)))
    assert str(caught.value).startswith("step() was called twice in one step: ")
    clock = jaxkit.timer.steps(range(3), every=1)
    with pytest.raises(UsageError) as caught:
        go(clock, lambda batch: next(iter(clock)))
    assert str(caught.value) == "this clock is in a loop already: make one for each loop"
    clock = jaxkit.timer.steps(range(3), every=1)
    with pytest.raises(UsageError) as caught:
        go(clock, lambda batch: jax.jit(clock.step)(1.0))
    assert "is traced, where nothing runs" in str(caught.value)


def test_a_metric_that_was_donated() -> None:
    update = jax.jit(lambda state: state + 1, donate_argnums=0)
    states, clock = [jnp.ones(3)], jaxkit.timer.steps(range(5), every=1)

    def step(batch: int) -> None:
        states[0] = update(states[0])
        clock.step(states[0])

    with pytest.raises(UsageError) as caught:
        go(clock, step)
    assert str(caught.value) == (
        "the metric given to step() was donated to a later step, so that it cannot be waited for: "
        "give it the loss, or another small result that is kept"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"batches": 3},
            TypeError,
            "batches must be what a loop goes through, got batches=3 of type int",
        ),
        ({"every": 1.5}, TypeError, "every must be an int, got every=1.5"),
        ({"every": -1}, ValueError, "every must be 0 (never) or more, got every=-1"),
        ({"name": ""}, ValueError, "name must say what is timed, got name=''"),
    ],
)
def test_a_clock_refuses(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        jaxkit.timer.steps(**({"batches": []} | arguments))
    assert str(caught.value) == message
