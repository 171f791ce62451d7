"""An error, with its explanation, at the first compilation too many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src import monitoring

import jaxkit

HERE = Path(__file__).name


def total(batch: dict[str, Any]) -> jax.Array:
    return batch["x"].sum()


def calls(fun: Callable[..., Any], *sizes: int) -> None:
    for size in sizes:
        fun({"x": np.ones(size, np.float32)})


def caught(call: Callable[[], Any]) -> jaxkit.RecompilationError:
    with pytest.raises(jaxkit.RecompilationError) as found:
        call()
    return found.value


@pytest.mark.parametrize(
    "wrap",
    [
        lambda f: jaxkit.max_compiles(jax.jit(f)),
        lambda f: jaxkit.max_compiles(eqx.filter_jit(f)),
        lambda f: jax.jit(jaxkit.max_compiles(f)),
        lambda f: jax.jit(jax.grad(jaxkit.max_compiles(f))),
        lambda f: jax.jit(jax.vmap(jaxkit.max_compiles(f), ({"x": None},), axis_size=2)),
    ],
    ids=["jit", "filter_jit", "inside of jit", "inside of jit and grad", "inside of jit and vmap"],
)
def test_it_says_what_changed(wrap: Callable[[Any], Any]) -> None:
    def summed(batch: dict[str, Any]) -> jax.Array:
        return batch["x"].sum()

    fun = wrap(summed)
    calls(fun, 3, 3)
    error = caught(lambda: calls(fun, 3, 4))
    head, change, fix, site = str(error).splitlines()
    assert head.startswith("summed (")
    assert head.endswith(") was compiled 2 times, max_compiles allows 1")
    assert change == "  batch['x'] changed shape: axis 0 took 2 sizes (4, 3)"
    assert fix.startswith("  fix: pad batch['x'] along axis 0")
    assert HERE in site
    (finding,) = error.report.findings
    assert (finding.kind, finding.data["before"], finding.data["after"]) == (
        "shape-change",
        "f32[3]",
        "f32[4]",
    )


def test_each_use_has_a_budget_of_its_own_and_goes_on_after_an_error() -> None:
    one, other = (jaxkit.max_compiles(jax.jit(lambda b: b["x"] + 1), n=2) for _ in range(2))
    calls(one, 5, 6)
    calls(other, 5, 6)
    assert "was compiled 3 times, max_compiles allows 2" in str(caught(lambda: calls(one, 7)))
    calls(one, 5, 7)
    assert "4 times" in str(caught(lambda: calls(one, 8)))


def test_the_functions_that_a_plain_one_calls_are_counted_one_by_one() -> None:
    inner = jax.jit(lambda x: x * 2)
    second = jax.jit(lambda x: x * 3)

    @jaxkit.max_compiles
    def plain(batch: dict[str, Any]) -> Any:
        return second(jnp.ones(3)), jnp.cumsum(batch["x"]), inner(batch["x"])

    calls(plain, 11)
    assert "<lambda>" in str(caught(lambda: calls(plain, 12)))


def test_zero_allows_none() -> None:
    error = caught(lambda: calls(jaxkit.max_compiles(jax.jit(lambda b: b["x"] - 1), n=0), 3))
    head, site = str(error).splitlines()
    assert head.endswith(" was compiled 1 time, max_compiles allows 0")
    assert HERE in site
    assert error.report.findings == ()


def test_derivatives_and_batches_without_jit_are_no_traces() -> None:
    slope = jax.vmap(jax.grad(jaxkit.max_compiles(lambda x: x * 2)))
    for _ in range(3):
        slope(jnp.ones(4))


def test_other_threads_do_not_count_and_no_listener_is_left() -> None:
    started, go = threading.Event(), threading.Event()

    @jaxkit.max_compiles(n=0)
    def wait() -> None:
        started.set()
        go.wait(10)

    before = len(monitoring._scalar_listeners)
    thread = threading.Thread(target=wait)
    thread.start()
    started.wait(10)
    calls(jax.jit(lambda b: b["x"] / 3), 3)
    go.set()
    thread.join()
    with pytest.raises(ZeroDivisionError):
        jaxkit.max_compiles(lambda: 1 / 0)()
    assert len(monitoring._scalar_listeners) == before


@pytest.mark.parametrize(
    ("n", "error", "text"),
    [
        (-1, ValueError, "n must be 0 or more, got n=-1; 1 allows the first compilation"),
        (1.5, TypeError, "n must be an int, got n=1.5 of type float"),
        (True, TypeError, "n must be an int, got n=True of type bool"),
    ],
)
def test_wrong_options_fail_where_they_are_given(n: Any, error: Any, text: str) -> None:
    with pytest.raises(error) as found:
        jaxkit.max_compiles(n=n)
    assert str(found.value) == text
