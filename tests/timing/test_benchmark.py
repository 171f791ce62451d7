"""`jaxkit.benchmark`: figures against a known truth, arguments, limits, what it leaves behind."""

from __future__ import annotations

import gc
import io
import json
import math
import os
import signal
import threading
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit._jax import monitoring
from jaxkit.errors import UsageError
from jaxkit.timing import progress
from jaxkit.timing.benchmark import benchmark
from tests.timing.test_findings import heavy, matrix, seconds_of_heavy, timed, warnings_of


def sleeps(seconds: float) -> Any:
    def host(x: Any) -> Any:
        time.sleep(seconds)
        return np.asarray(x)

    return lambda x: jax.pure_callback(host, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


@pytest.mark.parametrize("jit", [jax.jit, eqx.filter_jit, lambda fun: fun])
def test_a_function_that_sleeps_a_known_time(jit: Any) -> None:
    timing = timed(jit(sleeps(0.02)), matrix(3), seconds=0.5)
    assert 0.02 <= timing.seconds <= 0.03
    assert timing.ok


def test_a_product_takes_what_it_takes_by_hand() -> None:
    ratios: list[float] = []
    for _ in range(3):  # the machine may change between both
        by_hand = seconds_of_heavy.__wrapped__()
        ratios.append(timed(heavy, matrix(), seconds=0.5).seconds / by_hand)
        if 0.5 <= ratios[-1] <= 3:
            return
    pytest.fail(f"of what it takes by hand: {ratios}")


def test_a_call_of_microseconds() -> None:
    timing = timed(jax.jit(lambda x: x + 1), matrix(3), seconds=2.0)
    assert timing.figure.inner > 1
    assert 5e-7 < timing.seconds < 5e-4


def test_arrays_that_live_elsewhere_do_not_count_as_time_of_a_call() -> None:
    alive = [jax.device_put(np.float32(n)) for n in range(5_000)]  # looking at them takes 5 ms
    timing = timed(jax.jit(lambda x: x + 1), matrix(3), seconds=2.0)
    assert timing.figure.inner > 1
    assert len(alive) == 5_000


def test_what_was_in_the_way_of_the_first_calls_does_not_matter() -> None:
    calls = 0

    def in_the_way(x: int) -> int:
        nonlocal calls
        calls += 1
        if calls < 6:
            time.sleep(0.02)
        return x

    timing = timed(in_the_way, 3, seconds=2.0)
    assert timing.figure.inner > 1
    assert timing.seconds < 1e-3
    assert max(timing.figure.samples) < 0.02


def test_compiling_is_told_apart() -> None:
    @jax.jit
    def slow_to_compile(x: jax.Array) -> jax.Array:
        for _ in range(60):
            x = jnp.sin(x) @ x
        return x

    timing = timed(slow_to_compile, matrix(8))
    assert timing.first_call_seconds >= timing.compile_seconds > 0.01
    assert timing.seconds < timing.compile_seconds
    again = timed(slow_to_compile, matrix(8))
    assert again.compile_seconds == 0
    assert "nothing was compiled" in str(again)


def test_donated_arguments_stay_the_users() -> None:
    donating = jax.jit(lambda x: x * 2, donate_argnums=0)
    filtered = eqx.filter_jit(lambda x: x * 2, donate="all")
    for fun in (donating, filtered, lambda x: donating(x)):
        x = matrix(50)
        timing = timed(fun, x)
        assert not x.is_deleted()
        assert timing.findings == ()
        assert len(timing.samples) > 1


def test_setup_makes_arguments_anew() -> None:
    made: list[int] = []

    def setup() -> tuple[Any, ...]:
        made.append(1)
        return (matrix(3) * len(made),)

    seen: list[float] = []
    timing = timed(lambda x: seen.append(float(x[0, 0])), setup=setup)
    assert len(made) == len(seen) == len(set(seen)) > 3
    assert timing.figure.inner == 1
    with pytest.raises(TypeError) as caught:
        timed(lambda x: x, matrix(3), setup=lambda: 3)
    assert str(caught.value) == (
        "setup must return None or the tuple of a call's arguments, got a value of type int; "
        "return (value,)"
    )


def test_weak_types_and_committed_arrays_do_not_compile_again() -> None:
    step = jax.jit(lambda x, y: x + y, donate_argnums=0)
    x = jax.device_put(matrix(3), jax.devices()[1])
    timing = timed(step, x, jnp.asarray(2.0))
    assert timing.findings == ()
    sharding = jax.sharding.NamedSharding(
        jax.make_mesh((4,), ("i",)), jax.sharding.PartitionSpec("i")
    )
    assert timed(step, jax.device_put(jnp.ones(8), sharding), 2.0).findings == ()


def test_throughput_and_flops() -> None:
    timing = timed(jax.jit(lambda x: x @ x), matrix(64), items=64)
    assert timing.throughput == pytest.approx(64 / timing.seconds)
    assert timing.flops == 2 * 64**3
    assert timing.flops_per_second == pytest.approx(2 * 64**3 / timing.seconds)
    assert "items/s" in str(timing)
    assert timed(jax.jit(lambda x: x @ x), matrix(64)).throughput == pytest.approx(
        timing.flops_per_second, rel=5
    )
    assert timed(np.sin, np.ones(3)).throughput is None


def test_the_share_of_what_the_device_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from jaxkit.timing import _machine_limits

    limits = _machine_limits.MachineLimits("cpu", {"float32": 1e9}, 1e9)
    monkeypatch.setattr(_machine_limits, "machine_limits", lambda: limits)
    timing = timed(jax.jit(lambda x: x @ x), matrix(64))
    assert timing.roofline() == pytest.approx(2 * 64**3 / 1e9 / timing.seconds)
    moved = timed(jax.jit(lambda x: x + 1), matrix(64))
    assert moved.roofline() == pytest.approx(2 * 64 * 64 * 4 / 1e9 / moved.seconds)
    assert timed(np.sin, np.ones(3)).roofline() is None


def test_memory_says_who_says_so() -> None:
    memory = timed(jax.jit(lambda x: x @ x), matrix(64)).memory
    assert memory is not None
    if jax.default_backend() == "cpu":
        assert memory.nbytes >= 2 * 64 * 64 * 4
        assert memory.source.startswith("estimate: the compiled program's")
    assert timed(np.sin, np.ones(3)).memory is None or jax.default_backend() != "cpu"


# Limits


def test_max_seconds_bounds_everything() -> None:
    begin = time.perf_counter()
    timing = timed(lambda: time.sleep(0.05), seconds=0.3)
    assert time.perf_counter() - begin < 1.5
    assert 0.05 <= timing.seconds <= 0.08


def test_a_call_longer_than_there_is_time() -> None:
    begin = time.perf_counter()
    timing = timed(lambda: time.sleep(0.4), seconds=0.1)
    assert time.perf_counter() - begin < 0.9  # one call, no second one
    assert 0.38 <= timing.seconds <= 0.6
    assert timing.incomplete == "max_seconds was over after the first call"
    assert timing.interval == (0.0, math.inf)
    assert timing.incomplete in " ".join(str(timing).split())


def interrupt_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def test_ctrl_c_returns_what_was_measured() -> None:
    step = jax.jit(lambda x: x + 1)
    step(matrix(3))
    interrupt_after(0.5)
    was_on = gc.isenabled()
    timing = benchmark(step, max_seconds=30.0, min_seconds=30.0)(matrix(3))
    assert timing.incomplete == "interrupted"
    assert len(timing.samples) > 10
    assert "interrupted" in str(timing)
    assert gc.isenabled() == was_on


def test_ctrl_c_after_the_first_call_returns_that() -> None:
    interrupt_after(0.6)
    timing = benchmark(lambda: time.sleep(0.4), max_seconds=20.0)()
    assert timing.incomplete == "interrupted"
    assert 0.38 <= timing.seconds <= 0.8


def test_ctrl_c_before_anything_was_measured_is_ctrl_c() -> None:
    interrupt_after(0.2)
    with pytest.raises(KeyboardInterrupt):
        benchmark(lambda: time.sleep(1.0), max_seconds=5.0)()


# What it refuses, and what it leaves behind


@pytest.mark.parametrize("around", [jax.jit, jax.vmap, jax.grad, jax.make_jaxpr])
def test_under_a_trace_it_raises(around: Any) -> None:
    def inside(x: jax.Array) -> jax.Array:
        benchmark(jnp.sin)(1.0)
        return x.sum()

    with pytest.raises(UsageError) as caught:
        around(inside)(jnp.ones(3) if around is not jax.grad else jnp.float32(1))
    assert "while JAX is tracing: nothing runs there" in str(caught.value)
    assert str(caught.value).endswith("jaxkit.benchmark(jax.jit(f))(x)")


def test_a_raising_function_leaves_nothing_changed() -> None:
    def state() -> Any:
        names = ("_scalar_listeners", "_event_duration_secs_listeners", "_event_listeners")
        listeners = [len(monitoring._registered(name, ())) for name in names]
        config = {name: getattr(jax.config, name) for name in ("jax_enable_x64", "jax_debug_nans")}
        return listeners, config, gc.isenabled(), gc.get_threshold()

    calls: list[int] = []

    def raises(x: Any) -> Any:
        calls.append(1)
        if len(calls) > at:
            raise ZeroDivisionError("mine")
        return x

    before = state()
    for limit in (0, 1, 2, 50):
        at = limit
        calls.clear()
        x = matrix(3)
        with pytest.raises(ZeroDivisionError, match=r"^mine$"):
            timed(raises, x)
        assert state() == before
        assert not x.is_deleted()
    timed(jnp.sin, matrix(3))
    assert state() == before
    gc.disable()
    try:
        timed(jnp.sin, matrix(3))
        assert not gc.isenabled()
    finally:
        gc.enable()


async def coroutine() -> None:
    pass


COROUTINE = (
    "fun must be a function that does its work when it is called, got the coroutine function "
    "'coroutine'; time lambda: asyncio.run(coroutine()) instead of it"
)


@pytest.mark.parametrize(
    ("fun", "options", "error", "said"),
    [
        (3, {}, TypeError, "fun must be a function, got 3 of type int"),
        (
            abs,
            {"max_seconds": -1},
            ValueError,
            "max_seconds must be above 0 and finite, got max_seconds=-1",
        ),
        (
            abs,
            {"min_seconds": "3"},
            TypeError,
            "min_seconds must be a number of seconds, got min_seconds='3'",
        ),
        (abs, {"setup": 3}, TypeError, "setup must be a function, got setup=3"),
        (abs, {"items": 0}, ValueError, "items must be above 0, got items=0"),
        (coroutine, {}, TypeError, COROUTINE),
    ],
)
def test_options_are_checked_at_once(fun: Any, options: Any, error: Any, said: str) -> None:
    with pytest.raises(error) as caught:
        benchmark(fun, **options)
    assert str(caught.value) == said


# The report


def test_the_report() -> None:
    timing = timed(heavy, matrix(50), items=5)
    document = json.loads(timing.to_json())
    assert document["tool"] == "benchmark"
    data = document["data"]
    assert data["function"] == timing.name == "heavy"
    assert data["seconds"] == timing.seconds
    assert data["interval"] == list(timing.interval)
    assert data["samples"] == len(timing.samples)
    assert data["quantiles"]["median"] == timing.median == np.median(timing.samples)
    assert data["memory"]["bytes"] > 0
    assert "heavy" in repr(timing)
    assert "heavy" in timing._repr_html_()
    assert jaxkit.Report.from_json(timing.to_json()).data["seconds"] == timing.seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_only_after_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 3.0, 4.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr("sys.stderr", Terminal())
    with progress.Progress("timing [f]") as bar:
        bar.tell(0.1)
        assert bar._bar is None
        bar.tell(0.5)
        shown = bar._bar
        assert shown is not None
        bar.tell(1.5)
    assert shown.finished
    monkeypatch.setattr("sys.stderr", io.StringIO())
    monkeypatch.setattr(progress.time, "monotonic", lambda: 10.0)
    with progress.Progress("f") as bar:
        bar._begin = 0.0
        bar.tell(0.5)
        assert bar._bar is None


def test_threads_do_not_disturb_each_other() -> None:
    found: list[set[str]] = []

    def one() -> None:
        found.append(warnings_of(timed(jax.jit(lambda x: x * 3), matrix(3))))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
