"""The Trace Event Format, read by a parser that knows nothing of the renderer."""

import json
import math
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxkit.errors import UsageError
from jaxkit.report import Report, Section, Text, Timeline, TimeSpan, render
from jaxkit.report.lanes import place

REQUIRED = {
    "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid"},
    "i": {"name", "cat", "ph", "ts", "s", "pid", "tid"},
    "M": {"name", "ph", "pid", "tid", "args"},
}


def drawn(*spans: TimeSpan, **timeline: Any) -> dict[str, Any]:
    text = render(Report("timer", blocks=[Timeline(spans, **timeline)]), ".trace.json")
    return read(text)


def read(text: str | bytes) -> dict[str, Any]:
    """A document of the format, checked: what the format asks for, event by event."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    document = json.loads(text, parse_constant=refuse)
    assert set(document) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert document["displayTimeUnit"] in ("ms", "ns")
    for event in document["traceEvents"]:
        assert set(event) - {"args"} == REQUIRED[event["ph"]] - {"args"}, event
        assert all(type(event[key]) is int for key in ("pid", "tid"))
        assert isinstance(event["name"], str)
        if event["ph"] != "M":
            assert 0 <= event["ts"] < math.inf
        if event["ph"] == "X":
            assert 0 <= event["dur"] < math.inf
        if event["ph"] == "i":
            assert event["s"] in ("g", "p", "t")
    check_nesting(document["traceEvents"])
    check_threads(document["traceEvents"])
    return document


def check_nesting(events: Sequence[dict[str, Any]]) -> None:
    """On a thread times do not go back, and each end belongs to the begin that is open."""
    for thread in {(event["pid"], event["tid"]) for event in events}:
        own = [e for e in events if (e["pid"], e["tid"]) == thread and e["ph"] in "Xi"]
        stack: list[int] = []
        last = 0
        for event in own:
            begin = round(event["ts"] * 1000)  # nanoseconds: what the three decimals can tell
            assert begin >= last
            last = begin
            while stack and stack[-1] <= begin:
                stack.pop()
            if event["ph"] == "X":
                end = begin + round(event["dur"] * 1000)
                assert not stack or end <= stack[-1], event
                stack.append(end)


def check_threads(events: Sequence[dict[str, Any]]) -> None:
    """Each thread has a name before its first event, each process too."""
    named: set[tuple[str, int, int]] = set()
    for event in events:
        process, thread = event["pid"], event["tid"]
        if event["ph"] == "M":
            named.add((event["name"], process, thread))
            if event["name"].endswith("_name"):
                assert isinstance(event["args"]["name"], str)
        else:
            assert ("thread_name", process, thread) in named
            assert ("process_name", process, 0) in named


def complete(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in document["traceEvents"] if event["ph"] == "X"]


def test_times_are_microseconds_from_the_first_event() -> None:
    document = drawn(
        TimeSpan("step", 2.0, 0.5, details={"loss": 0.25}),
        TimeSpan("load", 2.125, 0.25),
        TimeSpan("saved", 2.25, None),
        origin=1_763_800_000.0,
        process=7,
    )
    events = [e for e in document["traceEvents"] if e["ph"] != "M"]
    assert [(e["name"], e["ts"], e.get("dur"), e["pid"], e["tid"]) for e in events] == [
        ("step", 0.0, 500_000.0, 7, 1),
        ("load", 125_000.0, 250_000.0, 7, 1),
        ("saved", 250_000.0, None, 7, 1),
    ]
    assert events[0]["args"] == {"loss": 0.25}
    assert document["otherData"]["begin"] == 1_763_800_002.0
    assert document["otherData"]["tool"] == "jaxkit timer"


def test_threads_have_their_names_and_the_main_thread_comes_first() -> None:
    document = drawn(TimeSpan("a", 0, 1, "loader"), TimeSpan("b", 0, 1, "MainThread"))
    names = {
        e["tid"]: e["args"]["name"] for e in document["traceEvents"] if e["name"] == "thread_name"
    }
    assert names == {1: "MainThread", 2: "loader"}
    sort = {
        e["tid"]: e["args"]["sort_index"]
        for e in document["traceEvents"]
        if e["name"] == "thread_sort_index"
    }
    assert sort == {1: 1, 2: 2}


def test_what_runs_across_each_other_gets_lanes() -> None:
    document = drawn(TimeSpan("a", 0, 1), TimeSpan("b", 0.5, 1), TimeSpan("c", 0.6, 0.1))
    threads = {event["name"]: event["tid"] for event in complete(document)}
    assert threads == {"a": 1, "b": 2, "c": 1}
    names = [e["args"]["name"] for e in document["traceEvents"] if e["name"] == "thread_name"]
    assert names == ["MainThread", "MainThread (2)"]


def test_rounding_makes_no_lane() -> None:
    beside = [TimeSpan("a", 0, 1e-3), TimeSpan("b", 0.9995e-3, 1e-3)]
    assert [each.lane for each in place(beside)] == [0, 0]
    inside = [TimeSpan("a", 0, 1e-3), TimeSpan("b", 0.5e-3, 0.5005e-3)]
    assert [(each.lane, each.depth) for each in place(inside)] == [(0, 0), (0, 1)]
    drawn(*beside), drawn(*inside)


@given(
    st.lists(
        st.builds(
            TimeSpan,
            st.text(max_size=3),
            st.integers(0, 40).map(lambda n: n * 0.7e-6),
            st.one_of(st.none(), st.integers(0, 40).map(lambda n: n * 0.7e-6)),
            st.sampled_from(["MainThread", "w"]),
        ),
        max_size=12,
    )
)
def test_any_spans_make_a_sound_document(spans: list[TimeSpan]) -> None:
    events = [e for e in drawn(*spans)["traceEvents"] if e["ph"] != "M"]
    assert len(events) == len(spans)
    first = min((span.start for span in spans), default=0.0)
    found = sorted(event["ts"] for event in events)
    for event, span in zip(found, sorted(spans, key=lambda s: s.start), strict=True):
        assert abs(event / 1e6 - (span.start - first)) <= 41 * 2.1e-6  # moved by rounding only


def test_timelines_of_several_processes_share_a_clock() -> None:
    blocks = [
        Text("not drawn"),
        Timeline([TimeSpan("a", 0, 1)], "first", origin=100.0, process=1),
        Section("more", lambda: [Timeline([TimeSpan("b", 0, 1)], "second", 101.5, 2)]),
    ]
    document = read(render(Report("timer", blocks=blocks), ".trace.json"))
    assert [(e["pid"], e["ts"]) for e in complete(document)] == [(1, 0.0), (2, 1.5e6)]


def test_hostile_strings_stay_strings() -> None:
    name = '</script>"\x1b[2J\n\ud800'
    document = drawn(TimeSpan(name, 0, 1, name, name, {"v": math.inf, "s": name}), title=name)
    [event] = complete(document)
    assert event["name"] == '</script>"\\x1b[2J\\n\\ud800'
    assert event["args"] == {"v": "inf", "s": event["name"]}


def test_without_a_timeline_there_is_nothing_to_write(tmp_path: Path) -> None:
    path = tmp_path / "x.trace.json"
    with pytest.raises(UsageError) as caught:
        Report("lint").save(path)
    assert str(caught.value) == (
        "a report of lint has no timeline to be written as .trace.json: save it as .html, .json "
        "or .txt; those of jaxkit.watch and jaxkit.timer have one, until they are read back from "
        "JSON"
    )
    assert not path.exists()


def test_a_timeline_without_spans_is_a_document() -> None:
    assert complete(drawn()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": math.nan}, "start must be finite, got start=nan"),
        (
            {"start": 0.0, "seconds": -1.0},
            "seconds must be finite and 0 or more, got seconds=-1.0",
        ),
    ],
)
def test_a_span_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        TimeSpan("a", **arguments)
    assert str(caught.value) == message


def test_the_other_renderers_show_a_timeline() -> None:
    spans = [TimeSpan("<b>step", 0.0, 2.0), TimeSpan("load", 0.5, 1.0, details={"n": 3})]
    report = Report("timer", blocks=[Timeline(spans, "spans")])
    assert str(report) == "spans: 2 spans in 2 s; save it as .trace.json to look at it\n"
    page = str(render(report, ".html"))
    assert "&lt;b&gt;step" in page
    assert 'style="left:25.0%;width:50.0%;top:20px" title="load: 1 s, n: 3"' in page
    assert pickle.loads(pickle.dumps(report)).blocks == report.blocks


def test_perfetto_has_a_place_for_each_event() -> None:
    """Perfetto turns such a document into its own packets, whose fields have these types."""
    trace = pytest.importorskip(
        "perfetto.protos.perfetto.trace.perfetto_trace_pb2", reason="needs perfetto"
    )
    document = drawn(
        TimeSpan("step", 0.0, 0.5, details={"loss": 0.25, "epoch": 3, "why": "x", "none": None}),
        TimeSpan("load", 0.125, 0.25, "worker"),
        TimeSpan("saved", 0.25, None),
        process=7,
    )
    whole = trace.Trace()
    for event in document["traceEvents"]:
        packet = whole.packet.add(trusted_packet_sequence_id=1)
        if event["ph"] == "M":
            described = packet.track_descriptor
            described.uuid = event["tid"] + 1
            if event["name"] == "process_name":
                described.process.pid = event["pid"]
                described.process.process_name = event["args"]["name"]
            elif event["name"] == "thread_name":
                described.thread.pid, described.thread.tid = event["pid"], event["tid"]
                described.thread.thread_name = event["args"]["name"]
            else:
                described.thread.legacy_sort_index = event["args"]["sort_index"]
            continue
        packet.timestamp = round(event["ts"] * 1000)
        packet.track_event.categories.append(event["cat"])
        packet.track_event.name = event["name"]
        legacy = packet.track_event.legacy_event
        legacy.phase = ord(event["ph"])
        if event["ph"] == "X":
            legacy.duration_us = round(event["dur"])
        else:
            scopes = {"t": legacy.SCOPE_THREAD, "p": legacy.SCOPE_PROCESS, "g": legacy.SCOPE_GLOBAL}
            legacy.instant_event_scope = scopes[event["s"]]
        for name, value in event.get("args", {}).items():
            note = packet.track_event.debug_annotations.add(name=name)
            kinds = {float: "double_value", int: "int_value", str: "string_value"}
            if value is not None:
                setattr(note, kinds[type(value)], value)
    again = trace.Trace.FromString(whole.SerializeToString())
    assert again == whole
    events = [packet for packet in again.packet if packet.HasField("track_event")]
    assert [packet.track_event.name for packet in events] == ["step", "saved", "load"]
    assert [packet.timestamp for packet in events] == [0, 250_000_000, 125_000_000]
