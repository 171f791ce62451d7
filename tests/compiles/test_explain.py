"""Asked before a call: would it compile, and why."""

from __future__ import annotations

import threading
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit


@jax.jit
def step(x, rate):
    return x * rate


def test_what_it_says_is_what_happens() -> None:
    ran: list[int] = []

    @partial(jax.jit, static_argnames="mode")
    def call(x, rate, mode="a", *, extra=None):
        ran.append(1)
        return x * rate

    x = np.ones(3, np.float32)
    calls = [
        ((x, 1.0), {}),
        ((x, 2.0), {}),
        ((x, jnp.float32(1)), {}),
        ((np.ones(4, np.float32), 1.0), {}),
        ((x, 1.0, "a"), {}),
        ((x, 1.0, "b"), {}),
        ((x, 1.0), {"mode": "b"}),
        ((x, 1.0), {"extra": x}),
        ((x.astype(np.int32), 1.0), {}),
        ((x, 1.0), {}),
    ]
    with jaxkit.watch() as log:
        for args, kwargs in calls:
            before, traced = len(log.events), len(ran)
            said = jaxkit.explain(call)(*args, **kwargs)
            assert (len(log.events), len(ran)) == (before, traced)  # nothing happened
            call(*args, **kwargs)
            happened = log.events[before:]
            assert said.data["compiles"] == bool(happened)
            if happened:
                assert [c["kind"] for c in said.data["causes"]] == [
                    cause.kind for cause in happened[0].causes
                ]
    assert len(log.events) == 8


def test_equinox_modules_and_filter_jit() -> None:
    @eqx.filter_jit
    def forward(model, x, flag):
        return jax.vmap(model)(x) if flag else x

    model = eqx.nn.Linear(3, 2, key=jax.random.key(0))
    x = np.ones((5, 3), np.float32)
    with jaxkit.watch():
        assert jaxkit.explain(forward)(model, x, True).data["compiles"]
        forward(model, x, True)
        assert not jaxkit.explain(forward)(model, x, True).data["compiles"]
        found = jaxkit.explain(forward)(model, x[:2], True)
    assert [finding.kind for finding in found.findings] == ["shape-change"]
    assert found.findings[0].data["paths"] == ("x",)


def test_a_call_that_another_thread_has_compiled() -> None:
    double = jax.jit(lambda x: 2 * x)
    x = np.ones(7, np.float32)
    with jaxkit.watch():
        thread = threading.Thread(target=double, args=(x,))
        thread.start()
        thread.join()
        assert not jaxkit.explain(double)(x).data["compiles"]


def test_arrays_and_tracers_need_no_values() -> None:
    donated = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.ones(9)
    with jaxkit.watch():
        donated(x)
        assert x.is_deleted()
        assert not jaxkit.explain(donated)(x).data["compiles"]


def test_it_reads_as_a_report() -> None:
    with jaxkit.watch():
        said = jaxkit.explain(step)(np.ones(3, np.float32), 1.0)
        step(np.ones(3, np.float32), 1.0)
        again = jaxkit.explain(step)(np.ones(3, np.float32), 2.0)
        other = jaxkit.explain(step)(np.ones(5, np.float32), 1.0)
    assert str(said).strip() == "step would be compiled, for the first time as far as was seen"
    assert str(again).strip() == "step would not be compiled: an equal call has been"
    assert other.findings[0].message == "step: x changed shape: axis 0 took 2 sizes (5, 3)"


def test_a_function_that_is_not_jitted() -> None:
    with pytest.raises(TypeError, match=r"jax\.jit or equinox\.filter_jit returned, got <built-in"):
        jaxkit.explain(abs)


def test_without_a_watch() -> None:
    with pytest.raises(jaxkit.UsageError, match=r"open `with jaxkit\.watch\(\):` before the first"):
        jaxkit.explain(step)(1.0, 2.0)
