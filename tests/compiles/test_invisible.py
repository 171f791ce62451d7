"""What a watch must not change: values, listeners, config, lifetimes, the stack, the caches."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src import monitoring

import jaxkit

LISTENERS = (
    "_event_listeners",
    "_event_duration_secs_listeners",
    "_event_time_span_listeners",
    "_scalar_listeners",
)
BOTH = pytest.mark.parametrize("watching", [False, True], ids=["unwatched", "watched"])


def listeners() -> dict[str, list[Any]]:
    """Everything registered with `jax.monitoring`."""
    return {name: list(getattr(monitoring, name)) for name in LISTENERS}


@contextlib.contextmanager
def maybe_watch(watching: bool) -> Iterator[None]:
    """Watch or do not."""
    with jaxkit.watch() if watching else contextlib.nullcontext():
        yield


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    before, config = listeners(), dict(jax.config.values)
    yield
    assert listeners() == before
    assert dict(jax.config.values) == config


def double() -> Any:
    """Make a fresh jitted function."""

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        return x * 2

    return f


def names(log: Any) -> list[str]:
    """The functions of a log, in order."""
    return [event.to_dict()["function"]["name"] for event in log.events]


# Values ----------------------------------------------------------------------------------------


def program() -> list[bytes]:
    """Compute something with jit, grad, vmap, scan, randomness and eager operations."""

    def loss(w: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.tanh(x @ w).sum()

    w = jax.random.normal(jax.random.key(0), (8, 3))
    x = jax.random.normal(jax.random.key(1), (5, 8))
    outs = [
        jax.jit(loss)(w, x),
        *jax.jit(jax.value_and_grad(loss))(w, x),
        jax.vmap(jax.grad(loss), (None, 0))(w, x),
        jax.lax.scan(lambda c, v: (c * 0.9 + v.sum(), c), 0.0, x)[1],
        jnp.cumsum(jnp.sin(x), axis=0),
    ]
    return [np.asarray(out).tobytes() for out in outs]


def test_values_are_bitwise_equal() -> None:
    jax.clear_caches()
    plain = program()
    jax.clear_caches()
    with jaxkit.watch() as log:
        watched = program()
    assert watched == plain
    assert len(log.events) > 5


def test_entering_keeps_the_caches_and_cached_calls_record_nothing() -> None:
    f, x = double(), jnp.ones(3)
    f(x)
    with jaxkit.watch() as log:
        for _ in range(1000):
            f(x)
        assert log.events == []
    f(x)
    assert f._cache_size() == 1


# Listeners -------------------------------------------------------------------------------------


def test_no_listener_is_left_after_an_exception() -> None:
    before = listeners()

    def interrupted() -> None:
        with jaxkit.watch():
            double()(np.ones(3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert listeners() == before


def test_nested_watches_each_record_and_leave_nothing() -> None:
    before = listeners()
    with jaxkit.watch() as outer:
        double()(np.ones(3))
        with jaxkit.watch() as inner:
            double()(np.ones(3))
        double()(np.ones(3))
    assert (len(outer.events), len(inner.events)) == (3, 1)
    assert listeners() == before


def test_overlapping_watches_each_record_their_own_time() -> None:
    before = listeners()
    one, two = jaxkit.watch(), jaxkit.watch()
    first = one.__enter__()
    double()(np.ones(3))
    second = two.__enter__()
    double()(np.ones(3))
    one.__exit__(None, None, None)
    double()(np.ones(3))
    double()(np.ones(3))
    two.__exit__(None, None, None)
    double()(np.ones(3))
    assert (len(first.events), len(second.events)) == (2, 3)
    assert listeners() == before


def test_watches_in_many_threads_leave_nothing() -> None:
    before, errors, counts = listeners(), [], []

    def work() -> None:
        try:
            for _ in range(5):
                with jaxkit.watch() as log, contextlib.suppress(ZeroDivisionError):
                    double()(np.ones(3))
                    1 / 0  # noqa: B018
                counts.append(len(log.events))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert listeners() == before
    assert min(counts) >= 1  # a watch sees its own thread's program, and what others compile


def test_config_is_unchanged_while_watching() -> None:
    before = dict(jax.config.values)
    with jaxkit.watch():
        double()(np.ones(3))
        assert dict(jax.config.values) == before


# Lifetimes -------------------------------------------------------------------------------------


class Held:
    """A thing whose life can be followed, static to jit by identity."""

    scale = 2.0


def call_on_array() -> list[weakref.ref[Any]]:
    f, x = double(), jnp.arange(3.0) + 1
    f(x)
    return [weakref.ref(x)]


def call_on_numpy() -> list[weakref.ref[Any]]:
    f, x = double(), np.arange(3.0)
    f(x)
    return [weakref.ref(x)]


def call_with_closure() -> list[weakref.ref[Any]]:
    weights = jnp.arange(3.0) + 1

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        return x * weights

    f(np.ones(3))
    return [weakref.ref(weights), weakref.ref(f)]


def call_with_static() -> list[weakref.ref[Any]]:
    f = jax.jit(lambda x, held: x * held.scale, static_argnums=1)
    held = Held()
    f(np.ones(3), held)
    return [weakref.ref(held)]


def call_method() -> list[weakref.ref[Any]]:
    class Model:
        def apply(self, x: jax.Array) -> jax.Array:
            return x * 2

    model = Model()
    jax.jit(model.apply)(np.ones(3))
    return [weakref.ref(model)]


def call_eagerly() -> list[weakref.ref[Any]]:
    x = jnp.arange(7.0) + 1
    y = jnp.cumsum(jnp.sin(x))
    return [weakref.ref(x), weakref.ref(y)]


def call_scan() -> list[weakref.ref[Any]]:
    held = jnp.arange(3.0) + 1
    jax.lax.scan(lambda c, _: (c + held, None), held, None, length=2)
    return [weakref.ref(held)]


def call_filter_jit() -> list[weakref.ref[Any]]:
    import equinox as eqx

    model = eqx.nn.Linear(3, 2, key=jax.random.key(0))
    eqx.filter_jit(lambda m, x: m(x))(model, np.ones(3))
    return [weakref.ref(model.weight)]


def call_fails() -> list[weakref.ref[Any]]:
    x = jnp.arange(3.0) + 1

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        raise ValueError("no")

    with contextlib.suppress(ValueError):
        f(x)
    return [weakref.ref(x)]


@BOTH
@pytest.mark.parametrize(
    "call",
    [
        call_on_array,
        call_on_numpy,
        call_with_closure,
        call_with_static,
        call_method,
        call_eagerly,
        call_scan,
        call_filter_jit,
        call_fails,
    ],
)
def test_nothing_of_the_user_is_kept_alive(
    call: Callable[[], list[weakref.ref[Any]]], watching: bool
) -> None:
    gc.collect()
    alive = len(jax.live_arrays())
    with maybe_watch(watching):
        refs = call()
        jax.clear_caches()  # JAX's own references go; a watch must have none
        gc.collect()
        assert [ref() for ref in refs] == [None] * len(refs)
        assert len(jax.live_arrays()) <= alive


@BOTH
def test_deleted_locals_die_at_once(watching: bool) -> None:
    # On Python 3.11 reading `f_locals` of a frame that still runs keeps what is deleted later.
    f, g = double(), double()
    with maybe_watch(watching):
        held, array = Held(), jnp.arange(3.0) + 1
        refs = [weakref.ref(held), weakref.ref(array)]
        f(np.ones(3))
        del held, array
        g(np.ones(3))
        assert [ref() for ref in refs] == [None, None]


@BOTH
def test_locals_of_a_traced_body_die_at_once(watching: bool) -> None:
    refs: list[weakref.ref[Any]] = []

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        held = Held()
        refs.append(weakref.ref(held))
        with jax.ensure_compile_time_eval():
            jnp.cumsum(jnp.ones(11))  # compiles inside the trace
        del held
        assert refs[0]() is None
        return x * 2

    with maybe_watch(watching):
        f(np.ones(3))


def donate() -> tuple[bool, bool]:
    """Donate an array: is it gone, and did the result take over its memory?"""
    f = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = jax.block_until_ready(jnp.arange(1024.0) + 1)
    address = x.unsafe_buffer_pointer()
    out = jax.block_until_ready(f(x))
    return x.is_deleted(), out.unsafe_buffer_pointer() == address


def test_donated_buffers_are_still_donated() -> None:
    plain = donate()
    with jaxkit.watch():
        watched = donate()
    assert watched == plain == (True, True)


def test_no_tracer_leaks() -> None:
    with jax.checking_leaks(), jaxkit.watch() as log:
        f = double()
        f(np.ones(3))
        jax.vmap(f)(np.ones((4, 3)))
        jax.grad(lambda x: f(x).sum())(np.ones(3))
        jax.jit(lambda x: f(x) + 1)(np.ones(3))
    assert "f" in names(log)


# The program's own view ------------------------------------------------------------------------


def raise_in_trace() -> str:
    """Fail inside a trace, and show what the user is shown."""

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        if x.sum() > 0:
            return x
        raise ValueError

    try:
        f(np.ones(3))
    except jax.errors.TracerBoolConversionError:
        return traceback.format_exc()
    raise AssertionError("the trace must fail")


def test_tracebacks_are_unchanged() -> None:
    def show() -> str:
        return raise_in_trace()

    plain = show()
    with jaxkit.watch():
        watched = show()
    assert watched == plain


def test_stdout_and_stderr_stay_empty(capfd: pytest.CaptureFixture[str]) -> None:
    with jaxkit.watch() as log:
        double()(np.ones(3))
    log.report()
    assert capfd.readouterr() == ("", "")


def test_watching_starts_no_backend() -> None:
    code = (
        "import jaxkit, jax, jax._src.xla_bridge as b\n"
        "with jaxkit.watch() as log:\n"
        "    jax.make_jaxpr(lambda x: x * 2)\n"
        "log.report()\n"
        "assert not b.backends_are_initialized()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
