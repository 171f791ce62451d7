"""Every situation of the truth table: what JAX does in it, and what a watch says about it.

A row is `SCENARIO-STEP`, as the table writes it. Its counts (Python bodies run, traces, lowerings,
backend compilations) are measured with plain listeners, so that the scenario is known to be the
one that the table means; its cause is derived from what JAX's cache keys contain, in a comment
above the scenario.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import pytest

import jaxkit
import tests.compiles.scenarios  # noqa: F401  (registers them)
from tests.compiles.scenarios._base import SCENARIOS, Expect, Played, Step, forget, play

ROWS = [(name, number) for name, s in SCENARIOS.items() for number in range(1, len(s.steps) + 1)]
COMPILING = [(n, i) for n, i in ROWS if any(SCENARIOS[n].steps[i - 1].here[1:])]


def by_row(rows: list[tuple[str, int]]) -> pytest.MarkDecorator:
    """Run a test once for each row, named after it."""
    return pytest.mark.parametrize(("name", "number"), rows, ids=[f"{n}-{i}" for n, i in rows])


@dataclasses.dataclass(frozen=True)
class Watched:
    """A scenario played under a watch: its counts, events (as JSON) by step, and report."""

    played: Played
    events: list[list[dict[str, Any]]]
    findings: tuple[Any, ...]
    data: Any


def plain(name: str) -> Played:
    """Play a scenario as it stands."""
    forget()
    return play(SCENARIOS[name])


@functools.cache
def watched(name: str) -> Watched:
    """Play a scenario under a watch."""
    forget()
    with jaxkit.watch() as log:
        played = play(SCENARIOS[name], mark=lambda: len(log.events))
    report = log.report()
    events = [event.to_dict() for event in log.events]
    assert len(events) == played.marks[-1]
    bounds = zip([0, *played.marks], played.marks, strict=False)
    by_step = [events[start:end] for start, end in bounds]
    return Watched(played, by_step, report.findings, report.data)


@pytest.fixture(autouse=True)
def _four_devices() -> None:
    assert jax.device_count() == 4, "tests/conftest.py asks for four CPU devices"


def test_the_table_is_whole() -> None:
    assert len(ROWS) == 139
    assert sum(any(SCENARIOS[n].steps[i - 1].counts[2:]) for n, i in ROWS) == 87


@by_row(ROWS)
def test_jax_does_what_the_table_says(name: str, number: int) -> None:
    # Counted by plain listeners while a watch is open: that the counts are the table's shows both
    # that the scenario is the one meant and that watching it changes nothing.
    expected, played = SCENARIOS[name].steps[number - 1].here, watched(name).played
    assert len(played.counts) == len(SCENARIOS[name].steps) + 1
    if played.counts[number] != expected:
        alone = plain(name)
        assert alone.counts[number] == expected, f"not the table's scenario: {alone.names[number]}"
        pytest.fail(f"the watch changes it: {played.counts[number]} {played.names[number]}")


@by_row(ROWS)
def test_events_hold_every_stage(name: str, number: int) -> None:
    stages = [stage for event in watched(name).events[number] for stage in event["stages"]]
    _, traces, *programs = SCENARIOS[name].steps[number - 1].here
    assert [stages.count("lower"), stages.count("compile")] == programs
    # JAX sends a trace event where its trace cache answered, too: that is no trace. What only
    # traced (eval_shape) may be told when the next thing begins.
    if not name.endswith("_then_call"):
        assert stages.count("trace") <= traces


@by_row(COMPILING)
def test_cause(name: str, number: int) -> None:
    run, step = watched(name), SCENARIOS[name].steps[number - 1]
    compiled = [event for event in run.events[number] if "compile" in event["stages"]]
    names = sorted(event["function"]["name"] for event in compiled)
    assert names == sorted(_names(step)), [_story(event) for event in compiled]
    for expect in step.expect:
        events = [event for event in compiled if event["function"]["name"] == expect.name]
        for event in events:
            _check_causes(event, expect)
        if expect.severity is not None:
            _check_severity(run, expect)


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_unknown(name: str) -> None:
    run = watched(name)
    events = [event for events in run.events for event in events]
    assert [_story(e) for e in events if "unknown" in _kinds(e)] == []
    assert [_story(e) for e in events if "compile" in e["stages"] and not e["causes"]] == []
    assert run.data["unread_frames"] == 0


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_first_call_wastes_nothing(name: str) -> None:
    subjects = {e.name for s in SCENARIOS[name].steps for e in s.expect if e.recompile}
    subjects -= {"broadcast_in_dim", "multiply", "convert_element_type"}  # eager operations
    warm = [e for e in watched(name).events[0] if e["function"]["name"] in subjects]
    assert [_story(event) for event in warm if event["recompile"]] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_else_is_blamed(name: str) -> None:
    expected = {
        (kind, expect.name)
        for step in SCENARIOS[name].steps
        for expect in step.expect
        for kind in expect.kinds
        if expect.recompile
    }
    blamed = [finding for finding in watched(name).findings if finding.severity != "info"]
    others = [f for f in blamed if (f.kind, f.data["function"]) not in expected]
    assert [f"{finding.kind}: {finding.message}" for finding in others] == []


def test_a_failed_trace_is_told_apart() -> None:
    [event] = watched("exception_in_trace").events[1]
    assert (event["function"]["name"], event["outcome"]) == ("f", "failed")


@pytest.mark.parametrize("name", ["eval_shape_then_call", "make_jaxpr_then_call"])
def test_a_trace_without_a_program_is_told_apart(name: str) -> None:
    told = [event["outcome"] for events in watched(name).events for event in events]
    assert told == ["trace-only", "compiled"]


@pytest.mark.parametrize(
    "name",
    ["donate_new_wrapper_same_fn", "compiler_options_rewrap", "out_shardings_rewrap"],
)
def test_a_trace_that_was_found_is_told_apart(name: str) -> None:
    # The trace event is sent and the body does not run; the program is new all the same.
    [event] = watched(name).events[1]
    assert event["outcome"] == "compiled"
    assert "trace" not in event["stages"]


def _names(step: Step) -> list[str]:
    return [expect.name for expect in step.expect for _ in range(expect.times)]


def _check_causes(event: dict[str, Any], expect: Expect) -> None:
    assert _kinds(event), _story(event)
    assert _kinds(event) <= expect.kinds, _story(event)
    if expect.recompile is not None:
        assert event["recompile"] is expect.recompile, _story(event)
    if expect.paths is not None:
        assert {cause.get("path") for cause in event["causes"]} == expect.paths, _story(event)
    if expect.mentions is not None:
        assert expect.mentions in repr(event["causes"]), _story(event)


def _check_severity(run: Watched, expect: Expect) -> None:
    severities = {
        finding.severity
        for finding in run.findings
        if finding.kind in expect.kinds and finding.data["function"] == expect.name
    }
    assert severities == {expect.severity}


def _kinds(event: dict[str, Any]) -> set[str]:
    return {cause["kind"] for cause in event["causes"]}


def _story(event: dict[str, Any]) -> str:
    """Say what a failed assertion needs: the function, its stages and its causes."""
    function = event["function"]
    return f"{function['name']} {event['outcome']} {event['stages']}: {event['causes']}"
