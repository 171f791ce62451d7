"""`jaxkit.timer` in use: nesting, threads, tasks, errors, traces, compilations, timelines.

Longer than 400 lines, as it holds one thing from all of its sides, case by case.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit._jax import tracing
from jaxkit.errors import UsageError
from jaxkit.timing import timed
from jaxkit.timing.timer import _CURRENT
from tests.report.test_trace import complete, read


@pytest.fixture
def spans() -> Iterator[Any]:
    with jaxkit.timer.recording(compiles=False) as spans:
        yield spans
    assert _CURRENT.get() is None


def paths(spans: Any) -> dict[tuple[str, ...], int]:
    return {stats.path: stats.count for stats in spans}


def test_a_known_time(spans: Any) -> None:
    for _ in range(3):
        with jaxkit.timer("sleep"):
            time.sleep(0.02)
    stats = spans["sleep"]
    assert stats.count == 3
    assert 0.06 <= stats.total < 0.6
    assert 0.02 <= stats.p50 <= stats.p95 * 1.004 <= stats.max * 1.01
    assert 0 < stats.share <= 1


def test_spans_nest_by_name(spans: Any) -> None:
    for _ in range(2):
        with jaxkit.timer("step"):
            with jaxkit.timer("load"):
                pass
            with jaxkit.timer("save"), jaxkit.timer("load"):
                pass
    with jaxkit.timer("load"):
        pass
    assert paths(spans) == {
        ("step",): 2,
        ("step", "load"): 2,
        ("step", "save"): 2,
        ("step", "save", "load"): 2,
        ("load",): 1,
    }
    assert spans["load"].count == 5


def test_an_object_may_be_entered_again(spans: Any) -> None:
    span = jaxkit.timer("again")
    with span as first, span as second, span:
        assert first is span is not second
    with span:
        pass
    assert paths(spans) == {("again",): 2, ("again", "again"): 1, ("again", "again", "again"): 1}


def test_an_exception_ends_the_span_and_goes_on(spans: Any) -> None:
    with pytest.raises(ZeroDivisionError), jaxkit.timer("outer"), jaxkit.timer("inner"):
        1 / 0  # noqa: B018
    assert {s.path: s.errors for s in spans} == {("outer",): 1, ("outer", "inner"): 1}
    events = complete(read(drawn(spans)))
    assert [event["args"] for event in events] == [{"error": "ZeroDivisionError"}] * 2


def drawn(spans: Any) -> str:
    from jaxkit.report import render

    return str(render(spans.report(), ".trace.json"))


def test_leaving_what_was_not_entered() -> None:
    with pytest.raises(UsageError) as caught:
        jaxkit.timer("x").__exit__(None, None, None)
    assert str(caught.value) == "jaxkit.timer('x') was left, but it had not been entered"


def test_threads_have_stacks_of_their_own(spans: Any) -> None:
    ready = threading.Barrier(3)

    def work(number: int) -> None:
        with jaxkit.timer("work", into=spans):
            ready.wait(10)
            with jaxkit.timer(f"part {number}", into=spans):
                ready.wait(10)

    with jaxkit.timer("main"):
        threads = [threading.Thread(target=work, args=(n,), name=f"w{n}") for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    parts = {("work", f"part {number}"): 1 for number in range(3)}
    assert paths(spans) == {("main",): 1, ("work",): 3, **parts}
    names = [
        event["args"]["name"]
        for event in read(drawn(spans))["traceEvents"]
        if event["name"] == "thread_name"
    ]
    assert names[0] == "MainThread"
    assert sorted(names[1:]) == ["w0", "w1", "w2"]


def test_one_object_on_several_threads(spans: Any) -> None:
    span, ready = jaxkit.timer("shared", into=spans), threading.Barrier(3)

    def work() -> None:
        with span:
            ready.wait(10)
            time.sleep(0.01)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths(spans) == {("shared",): 3}
    assert spans["shared"].total >= 0.03


def test_other_threads_begin_outside_of_a_recording(spans: Any) -> None:
    def work() -> None:
        with jaxkit.timer("of the process"):
            pass

    before = [stats.count for stats in _default() if stats.name == "of the process"]
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert paths(spans) == {}
    assert _default()["of the process"].count == sum(before) + 1


def _default() -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(jaxkit.timer.spans()))
    thread.start()
    thread.join()
    return found[0]


def test_tasks_have_stacks_of_their_own(spans: Any) -> None:
    @jaxkit.timer("task")
    async def task(number: int) -> int:
        with jaxkit.timer(f"wait {number}"):
            await asyncio.sleep(0.01)
        return number

    async def main() -> list[int]:
        return await asyncio.gather(task(0), task(1))

    assert asyncio.run(main()) == [0, 1]
    assert paths(spans) == {("task",): 2, ("task", "wait 0"): 1, ("task", "wait 1"): 1}
    assert spans["task"].total >= 0.02
    # They run across each other on one thread: two lanes, each nested.
    assert {event["tid"] for event in complete(read(drawn(spans)))} == {1, 2}


def test_a_generator_that_is_left_open(spans: Any) -> None:
    def numbers() -> Iterator[int]:
        with jaxkit.timer("generator"):
            yield 1
            yield 2

    made = numbers()
    next(made)
    with jaxkit.timer("outside"):
        made.close()
    with jaxkit.timer("after"):
        pass
    assert paths(spans)[("after",)] == 1
    assert spans["generator"].errors == 0


def test_recordings_nest_and_take_their_own(spans: Any) -> None:
    with jaxkit.timer("outer"), jaxkit.timer.recording(compiles=False) as inner:
        with jaxkit.timer("a"), jaxkit.timer("b", into=spans), jaxkit.timer("c"):
            pass
        assert jaxkit.timer.spans() is inner
    assert jaxkit.timer.spans() is spans
    assert paths(inner) == {("a",): 1, ("a", "c"): 1}
    assert paths(spans) == {("outer",): 1, ("outer", "b"): 1}


def test_as_a_decorator(spans: Any) -> None:
    @jaxkit.timer("load")
    def load(n: int, *, twice: bool = False) -> int:
        """Loads."""
        return load(n - 1) if n else 0

    assert load(2) == 0
    assert (load.__name__, load.__doc__) == ("load", "Loads.")
    assert [stats.path for stats in spans] == [("load",) * n for n in (1, 2, 3)]


def test_block_waits_for_what_it_is_given(spans: Any) -> None:
    @jax.jit
    def slow(x: Any) -> Any:
        def wait(x: Any) -> Any:
            time.sleep(0.05)
            return x

        return jax.pure_callback(wait, x, x)

    x = jnp.ones(3)
    jax.block_until_ready(slow(x))

    class Hidden:
        def __init__(self, value: Any) -> None:
            self.value = value

    for make in (lambda y: y, lambda y: {"a": (y, None)}, Hidden):
        with jaxkit.timer("slow") as span:
            out = make(slow(x))
            assert span.block(out) is out
    assert spans["slow"].count == 3
    assert spans["slow"].p50 >= 0.05 * 0.99
    assert span.block(None) is None
    assert span.block(np.ones(3)).shape == (3,)


@pytest.mark.parametrize(
    ("transform", "kind"),
    [
        (jax.jit, "jax.jit or another transformation that makes a program"),
        (jax.vmap, "jax.vmap"),
        (jax.grad, "jax.grad"),
        (jax.make_jaxpr, "jax.jit or another transformation that makes a program"),
    ],
)
def test_under_a_trace_there_is_nothing_to_time(spans: Any, transform: Any, kind: str) -> None:
    def f(x: Any) -> Any:
        with jaxkit.timer("inside"):
            return x.sum()

    with pytest.raises(UsageError) as caught:
        transform(f)(jnp.ones(3) if transform is not jax.grad else jnp.float32(1))
    assert str(caught.value) == (
        f"jaxkit.timer('inside') was used while {kind} is traced: this code runs once, when it is "
        "traced, and its time says nothing about the program's. Time the call of the transformed "
        "function; inside, jax.named_scope('inside') names a part for jax.profiler"
    )
    assert list(spans) == []
    with pytest.raises(UsageError):
        transform(lambda x: jaxkit.timer("late").block(x.sum()))(
            jnp.ones(3) if transform is not jax.grad else jnp.float32(1)
        )


def test_where_jax_has_moved_what_tells(spans: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxkit._jax.tracing.context", tracing._Unknown())
    monkeypatch.setattr("jaxkit._jax.tracing.computing", None)
    monkeypatch.setattr("jaxkit.timing.timer._context", tracing._Unknown())
    with jaxkit.timer("outside"):
        pass
    with pytest.raises(UsageError):
        jax.jit(jaxkit.timer("inside")(lambda x: x))(1.0)
    assert paths(spans) == {("outside",): 1}


def test_the_process_as_a_recording() -> None:
    """From the first begin, also of a span that ends after others."""
    code = (
        "import time, jaxkit\n"
        "with jaxkit.timer('outer'):\n"
        "    time.sleep(0.02)\n"
        "    with jaxkit.timer('inner'): pass\n"
        "spans = jaxkit.timer.spans(); wall = spans.wall_seconds; time.sleep(0.02)\n"
        "assert spans.wall_seconds == wall >= 0.02\n"
        "assert 0.5 < spans['outer'].share <= 1\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_callbacks_and_eager_code_are_timed(spans: Any) -> None:
    def host(x: Any) -> Any:
        with jaxkit.timer("host", into=spans):
            return x

    f = jax.jit(lambda x: jax.pure_callback(host, x, x))
    with jaxkit.timer("call") as span:
        span.block(f(jnp.ones(3)))
    with jax.disable_jit(), jaxkit.timer("eager"):
        jax.jit(lambda x: x * 2)(jnp.ones(3))
    assert spans["host"].count == 1
    assert spans["eager"].count == 1


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (3, TypeError, "name must be a str, got name=3 of type int"),
        ("", ValueError, "name must say what is timed, got name=''"),
        (
            len,
            TypeError,
            (
                "jaxkit.timer takes the name of a span, got the function len: "
                "write jaxkit.timer('len')"
            ),
        ),
    ],
)
def test_a_name_is_a_name(name: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        jaxkit.timer(name)
    assert str(caught.value) == message


def test_what_cannot_be_decorated() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError) as caught:
        jaxkit.timer("numbers")(numbers)
    assert str(caught.value) == (
        "jaxkit.timer cannot time the generator function 'numbers', whose call does nothing yet: "
        "write `with jaxkit.timer('numbers')` around what it does"
    )
    with pytest.raises(TypeError) as caught:
        jaxkit.timer("three")(3)  # type: ignore[arg-type]
    assert str(caught.value) == "jaxkit.timer decorates a function, got 3"


def test_compile_time_is_told_apart() -> None:
    step = jax.jit(lambda x: (x * 3).sum())
    batches = [np.ones(n, np.float32) for n in (4, 4, 4, 3)]
    with jaxkit.timer.recording() as spans:
        for batch in batches:
            with jaxkit.timer("step") as span:
                span.block(step(batch))
            with jaxkit.timer("other"):
                pass
    stats = spans["step"]
    assert 0 < stats.compile_seconds < stats.total
    assert spans["other"].compile_seconds == 0
    report = spans.report()
    [finding] = report.findings
    assert (finding.kind, finding.severity) == ("recompiled", "warning")
    assert finding.message.startswith("<lambda>: x changed shape: axis 0 took 2 sizes (4, 3); ")
    assert finding.message.endswith(" of compilation are in the times of spans")
    assert finding.where is not None
    assert finding.where.file == __file__
    assert "compile" in str(report).splitlines()[1]
    # On the timeline the compilation lies within the span that waited for it.
    events = complete(read(drawn(spans)))
    first = next(event for event in events if event["name"] == "step")
    inside = [e for e in events if e["cat"].startswith("compile") and e["tid"] == first["tid"]]
    assert {"<lambda>", "trace", "lower", "compile"} == {event["name"] for event in inside}
    whole = next(event for event in inside if event["name"] == "<lambda>")
    assert first["ts"] <= whole["ts"]
    assert whole["ts"] + whole["dur"] <= first["ts"] + first["dur"] + 1e-3


def test_jax_is_listened_to_no_longer_than_needed() -> None:
    from jaxkit.compiles.recorder import RECORDER

    with contextlib.suppress(KeyError), jaxkit.timer.recording():
        raise KeyError
    assert RECORDER.innermost() is None


def test_spans_stand_in_a_profile(tmp_path: Path) -> None:
    with jax.profiler.trace(str(tmp_path)), jaxkit.timer("a span of ours"):
        jnp.ones(3).block_until_ready()
    [profile] = tmp_path.rglob("*.xplane.pb")
    assert b"a span of ours" in profile.read_bytes()


def test_saved_as_a_timeline(spans: Any, tmp_path: Path) -> None:
    with jaxkit.timer("step"):
        time.sleep(0.01)
    path = tmp_path / "run.trace.json"
    jaxkit.timer.report().save(path)
    [event] = complete(read(path.read_text()))
    assert (event["name"], event["ts"]) == ("step", 0.0)
    assert 10_000 <= event["dur"] < 500_000


def test_timed_waits_for_results(spans: Any) -> None:
    @timed
    @jax.jit
    def slow(x: Any) -> Any:
        def wait(x: Any) -> Any:
            time.sleep(0.03)
            return x

        return jax.pure_callback(wait, x, x)

    slow(jnp.ones(3))
    slow(jnp.ones(3))
    assert spans["slow"].count == 2
    assert spans["slow"].total >= 0.06 * 0.99
    text = str(jax.make_jaxpr(slow)(jnp.ones(3)))
    assert "pure_callback" in text
    assert str(spans.report()).splitlines()[-2:] == [
        "called under a trace, where nothing runs that could be timed: slow (1x); time",
        "  what calls the compiled function",
    ]
    assert spans["slow"].count == 2
    timed(lambda x: x, name="other", block=False)(3)
    assert spans["other"].count == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": 3}, TypeError, "name must be a str, got name=3 of type int"),
        (
            {"name": ""},
            ValueError,
            "name must say what is timed, got name=''; None for the function's own",
        ),
        ({"block": 1}, TypeError, "block must be a bool, got block=1 of type int"),
    ],
)
def test_timed_refuses(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        timed(**options)
    assert str(caught.value) == message


def test_a_fork_in_the_middle(tmp_path: Path) -> None:
    """A child of a process whose other thread holds the lock."""
    program = (
        "import os, sys, threading, jaxkit\n"
        "spans = jaxkit.timer.spans()\n"
        "held, done = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with spans._lock:\n"
        "        held.set(); done.wait(20)\n"
        "thread = threading.Thread(target=hold); thread.start(); held.wait(10)\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    with jaxkit.timer('x'): pass\n"
        "    os._exit(0 if spans['x'].count == 1 else 1)\n"
        "code = os.waitpid(pid, 0)[1]; done.set(); thread.join(); sys.exit(code != 0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], timeout=60, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def test_recordings_are_json_values(spans: Any) -> None:
    with jaxkit.timer("step"):
        pass
    document = json.loads(jaxkit.timer.report().to_json())
    assert document["tool"] == "timer"
    assert document["data"]["spans"][0]["path"] == ["step"]
