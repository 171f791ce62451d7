"""Compilations on a timeline, against what was compiled."""

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxkit
from jaxkit.compiles.event import CompileEvent
from jaxkit.compiles.recording import read_events
from jaxkit.compiles.summary import build_report
from jaxkit.compiles.timeline import timelines
from jaxkit.report import render
from tests.report.test_trace import complete, read


def events_of(report: Any) -> list[dict[str, Any]]:
    return complete(read(render(report, ".trace.json")))


def within(inner: dict[str, Any], outer: dict[str, Any]) -> bool:
    return (
        outer["tid"] == inner["tid"]
        and outer["ts"] <= inner["ts"]
        and inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"] + 1e-3
    )


def test_stages_lie_within_their_function_and_functions_within_those_that_wait() -> None:
    @jax.jit
    def outer(x: Any) -> Any:
        with jax.ensure_compile_time_eval():
            jnp.cumsum(np.ones(3, np.float32))
        return x * 2

    with jaxkit.watch() as log:
        for size in (4, 5):
            outer(np.ones(size, np.float32))
    events = events_of(log.report())
    programs = [event for event in events if event["name"] == "outer"]
    stages = [e for e in events if e["cat"] in ("trace", "lower", "compile")]
    for program in programs:
        inside = [stage["name"] for stage in stages if within(stage, program)]
        assert [name for name in inside if name == "compile"]
        assert inside[0] == "trace"
    [nested] = [event for event in events if event["name"] == "cumsum"]
    assert within(nested, programs[0])
    assert not within(nested, programs[1])
    args = programs[1]["args"]
    assert (args["cause"], args["changed"]) == ("shape-change", "x: f32[4] -> f32[5]")
    assert args["recompile"] == "True"
    assert args["called from"].startswith(__file__)
    assert programs[0]["args"]["cause"] == "first"
    # What the events say of themselves: exclusive seconds sum to what is on the timeline.
    whole = sum(event["dur"] for event in programs) / 1e6
    assert sum(event.total_seconds for event in log.events) <= whole * 1.01


def test_compiled_at_another_time_than_lowered() -> None:
    with jaxkit.watch() as log:
        lowered = jax.jit(lambda x: x * 3).lower(np.ones(3, np.float32))
        jax.jit(lambda y: y * 4)(np.ones(3, np.float32))
        lowered.compile()
    events = [e for e in events_of(log.report()) if e["cat"] not in ("trace", "lower", "compile")]
    assert len(events) == 3
    begins = [event["ts"] for event in events]
    assert begins == sorted(begins)
    assert not any(within(a, b) for a in events for b in events if a is not b)


def test_a_recording_has_the_same_timeline(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with jaxkit.watch(jsonl=path) as log:
        jax.jit(lambda x: x * 3)(np.ones(3, np.float32))
    again = read_events(path).events
    there, here = events_of(build_report(again)), events_of(log.report())
    assert [event["name"] for event in there] == [event["name"] for event in here]
    for one, other in zip(there, here, strict=True):
        assert abs(one["ts"] - other["ts"]) < 5
        assert abs(one["dur"] - other["dur"]) < 5


def test_a_recording_from_before_there_were_spans() -> None:
    with jaxkit.watch() as log:
        jax.jit(lambda x: x * 3)(np.ones(3, np.float32))
    [event] = log.events
    plain = {name: value for name, value in event.to_dict().items() if name != "spans"}
    old = CompileEvent.from_dict(json.loads(json.dumps(plain)))
    assert not old.spans
    assert [e["name"] for e in events_of(build_report([old]))] == [
        "<lambda>",
        "trace",
        "lower",
        "compile",
    ]


def test_processes_have_timelines_of_their_own() -> None:
    with jaxkit.watch() as log:
        jax.jit(lambda x: x * 3)(np.ones(3, np.float32))
    [event] = log.events
    found = timelines([event, dataclasses.replace(event, process=event.process + 1)], left_out=2)
    assert [each.process for each in found] == [event.process, event.process + 1]
    assert [each.left_out for each in found] == [2, 0]


def test_nothing_was_compiled() -> None:
    with jaxkit.watch() as log:
        pass
    assert events_of(log.report()) == []
    assert "Timeline" not in str(render(log.report(), ".html"))


def test_a_report_still_travels_between_processes() -> None:
    with jaxkit.watch() as log:
        jax.jit(lambda x: x * 3)(np.ones(3, np.float32))
    report = log.report()
    assert events_of(pickle.loads(pickle.dumps(report))) == events_of(report)
    assert "Timeline" in str(render(report, ".html"))
