"""Programs that make recording hard: what they do goes on, and what was recorded is whole."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src import monitoring
from jax.experimental.compilation_cache import compilation_cache

import jaxkit

X = np.ones(3, np.float32)
LISTENERS = (
    "_event_listeners",
    "_event_duration_secs_listeners",
    "_event_time_span_listeners",
    "_scalar_listeners",
)
TRACE = "/jax/core/compile/jaxpr_trace_duration"
LOWER = "/jax/core/compile/jaxpr_to_mlir_module_duration"
COMPILE = "/jax/core/compile/backend_compile_duration"


@pytest.fixture(autouse=True)
def _listeners_are_restored() -> Iterator[None]:
    kept = {name: list(getattr(monitoring, name)) for name in LISTENERS}
    yield
    for name, value in kept.items():
        getattr(monitoring, name)[:] = value


def named(name: str) -> Any:
    """Make a fresh jitted function of that name."""

    def f(x: jax.Array) -> jax.Array:
        return x * 2

    f.__name__ = f.__qualname__ = name
    return jax.jit(f)


def events(log: Any) -> list[dict[str, Any]]:
    """The events of a log, as JSON."""
    return [event.to_dict() for event in log.events]


def whole(event: dict[str, Any]) -> bool:
    """Whether an event tells of a trace, a lowering and a compilation."""
    return (event["stages"], event["outcome"]) == (["trace", "lower", "compile"], "compiled")


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The compile events of a JSONL file."""
    every = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [line for line in every if line["schema"] == "jaxkit.compile/1"]


# Listeners of the program ----------------------------------------------------------------------


def test_cleared_listeners_are_noticed_and_said() -> None:
    with jaxkit.watch() as log:
        named("before")(X)
        jax.monitoring.clear_event_listeners()
        named("after")(X)
        named("later")(X)
    assert log.report().data["notes"]["listeners_cleared"] == 1
    assert "clear_event_listeners" in str(log.report())
    assert [event["function"]["name"] for event in events(log)] == ["before", "after", "later"]
    assert all(getattr(monitoring, name) == [] for name in LISTENERS[:3])


def test_listeners_cleared_after_the_last_event_are_noticed_too() -> None:
    with jaxkit.watch() as log:
        named("before")(X)
        jax.monitoring.clear_event_listeners()
    assert log.report().data["notes"]["listeners_cleared"] == 1
    assert "clear_event_listeners" in str(log.report())


def test_a_program_that_clears_nothing_is_not_accused() -> None:
    with jaxkit.watch() as log:
        named("before")(X)
    assert log.report().data["notes"] == {}
    assert "clear_event_listeners" not in str(log.report())


class ForeignError(Exception):
    """What someone else's listener raises."""


@pytest.mark.parametrize("stage", [TRACE, LOWER, COMPILE])
@pytest.mark.parametrize("when", ["begin", "end"])
@pytest.mark.parametrize("order", ["before the watch", "inside the watch"])
def test_a_foreign_listener_that_raises(stage: str, when: str, order: str) -> None:
    error, armed = ForeignError("not yours"), [True]

    def listener(event: str, value: float, **kwargs: Any) -> None:
        if event == stage and armed[0]:
            raise error

    def register() -> None:
        if when == "begin":
            jax.monitoring.register_scalar_listener(listener)
        else:
            jax.monitoring.register_event_duration_secs_listener(listener)

    if order == "before the watch":
        register()
    with jaxkit.watch() as log:
        named("earlier")(X) if order == "inside the watch" else None
        if order == "inside the watch":
            register()
        with pytest.raises(ForeignError) as caught:
            named("hit")(X)
        assert caught.value is error
        armed[0] = False
        started = time.time()
        named("later")(X)
        wall = time.time() - started
    last = events(log)[-1]
    assert last["function"]["name"] == "later"
    assert whole(last)
    assert sum(last["seconds"].values()) <= wall + 1e-3
    log.report()


# Callbacks -------------------------------------------------------------------------------------


def test_a_callback_gets_each_event_as_it_happens() -> None:
    seen: list[str] = []
    with jaxkit.watch(on_compile=lambda event: seen.append(event.function.name)):
        named("one")(X)
        assert seen == ["one"]
        named("two")(X)
        assert seen == ["one", "two"]


@pytest.mark.parametrize("action", ["always", "error"])
def test_a_callback_that_raises_never_reaches_the_program(action: Any) -> None:
    def callback(event: Any) -> None:
        raise RuntimeError("broken callback")

    with warnings.catch_warnings(record=True):
        warnings.simplefilter(action)
        with jaxkit.watch(on_compile=callback) as log:
            one = named("one")(X)
            two = named("two")(X)
    np.testing.assert_array_equal(one, two)
    assert [whole(event) for event in events(log)] == [True, True]
    assert log.report().data["notes"]["callback_errors"] == 2


def test_a_callback_may_compile() -> None:
    # What the callback itself compiles may be recorded or not: it is not the program's.
    inner = named("inner")
    with jaxkit.watch(on_compile=lambda event: inner(X)) as log:
        named("outer")(X)
        named("later")(X)
    told = [event for event in events(log) if event["function"]["name"] != "inner"]
    assert [event["function"]["name"] for event in told] == ["outer", "later"]
    assert all(whole(event) for event in events(log))


# Names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a\nb", "\x1b[31mred", "nul\x00", "</script>", "ünï", "\u202eabc", "x" * 100_000]
)
def test_odd_function_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with jaxkit.watch(jsonl=path) as log:
        f = named(name)
        f(X)
        f(X[:2])
    assert all(len(line) < 20_000 for line in path.read_bytes().splitlines())
    assert len(lines_of(path)) == len(log.events) == 2
    text = str(log.report())
    assert not any(c in text for c in "\x1b\x00\u202e")
    if len(name) < 100:
        assert {line["function"]["name"] for line in lines_of(path)} == {name}


# Threads and nesting ---------------------------------------------------------------------------


def test_many_threads_each_event_is_whole() -> None:
    barrier, walls = threading.Barrier(8), {}

    def work(number: int) -> None:
        fs = [named(f"f_{number}_{i}") for i in range(6)]
        barrier.wait()
        started = time.perf_counter()
        for f in fs:
            f(X)
        walls[f"worker-{number}"] = time.perf_counter() - started

    with jaxkit.watch() as log:
        threads = [threading.Thread(target=work, args=(n,), name=f"worker-{n}") for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    seen = events(log)
    assert [event["index"] for event in seen] == list(range(48))
    assert all(whole(event) for event in seen)
    for thread, wall in walls.items():
        number = thread.removeprefix("worker-")
        mine = [event for event in seen if event["thread"] == thread]
        assert [e["function"]["name"] for e in mine] == [f"f_{number}_{i}" for i in range(6)]
        assert sum(s for e in mine for s in e["seconds"].values()) <= wall + 1e-3
    assert [event for event in seen if event["recompile"]] == []


def test_seconds_are_exclusive() -> None:
    # JAX sends no trace event for a jit inside a trace: inner's is part of outer's.
    spans: dict[str, float] = {}

    def listener(event: str, seconds: float, **kwargs: Any) -> None:
        if event == TRACE:
            spans[kwargs["fun_name"]] = seconds

    @jax.jit
    def inner(x: jax.Array) -> jax.Array:
        time.sleep(0.2)
        return jnp.sin(x)

    @jax.jit
    def outer(x: jax.Array) -> jax.Array:
        with jax.ensure_compile_time_eval():
            inner(X)
        time.sleep(0.1)
        return x * 2

    jax.monitoring.register_event_duration_secs_listener(listener)
    started = time.perf_counter()
    with jaxkit.watch() as log:
        outer(X)
    wall = time.perf_counter() - started
    one, two = sorted(events(log), key=lambda event: event["function"]["name"])
    assert (one["function"]["name"], two["function"]["name"]) == ("inner", "outer")
    assert (one["stages"], one["outcome"]) == (["lower", "compile"], "compiled")
    assert whole(two)
    nested = sum(one["seconds"].values())
    assert two["seconds"]["trace"] >= 0.3
    assert abs(two["seconds"]["trace"] - (spans["outer"] - nested)) < 0.02
    assert nested + sum(two["seconds"].values()) <= wall


def test_a_failed_trace_leaves_the_next_event_whole() -> None:
    @jax.jit
    def bad(x: jax.Array) -> jax.Array:
        raise ValueError("no")

    with jaxkit.watch() as log:
        with contextlib.suppress(ValueError):
            bad(X)
        named("good")(X)
    failed, good = events(log)
    assert (failed["function"]["name"], failed["outcome"]) == ("bad", "failed")
    assert (failed["stages"], failed["recompile"]) == (["trace"], False)
    assert (good["function"]["name"], whole(good)) == ("good", True)


# Files -----------------------------------------------------------------------------------------


def test_the_line_is_written_before_the_call_returns(tmp_path: Path) -> None:
    path, seen = tmp_path / "run.jsonl", []

    def look(value: np.ndarray) -> np.ndarray:
        seen.append([line["function"]["name"] for line in lines_of(path)])
        return value

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        return jax.pure_callback(look, jax.ShapeDtypeStruct(X.shape, X.dtype), x)

    with jaxkit.watch(jsonl=path):
        jax.block_until_ready(f(X))
        assert [line["function"]["name"] for line in lines_of(path)] == ["f"]
    assert seen == [["f"]]  # the program has run, the call has not returned


@pytest.fixture
def persistent_cache(tmp_path: Path) -> Iterator[None]:
    """A persistent compilation cache that keeps everything."""
    options = {
        "jax_compilation_cache_dir": str(tmp_path / "cache"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    kept = {name: jax.config.values[name] for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        for name, value in kept.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


@pytest.mark.usefixtures("persistent_cache")
def test_persistent_cache_hits_are_told_apart() -> None:
    f = named("cached")
    with jaxkit.watch() as log:
        f(X)
        jax.clear_caches()
        f(X)
    assert [event["persistent_cache"] for event in events(log)] == ["miss", "hit"]
    assert [event["causes"][0]["kind"] for event in events(log)] == ["first", "cache-cleared"]


def test_without_a_persistent_cache_it_is_off() -> None:
    with jaxkit.watch() as log:
        named("uncached")(X)
    assert [event["persistent_cache"] for event in events(log)] == ["off"]
