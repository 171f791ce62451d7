"""`shadow` as a transform: the function's own value, and findings for whoever is watching."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.numerics.precision.applied import wait
from jaxkit.transforms import get

X = np.float32([1000, 1001, 1002])


def spread(x: jax.Array) -> jax.Array:
    """Loses its digits in the last line."""
    mean = x.mean()
    return (x * x).mean() - mean * mean


def found_by(run: Callable[[], Any]) -> list[tuple[str, int]]:
    with jaxkit.watch() as log:
        jax.block_until_ready(run())
    report = log.report()
    assert [event.thread for event in log.events if event.thread != "MainThread"] == []
    return [
        (found.kind, found.where.line)
        for found in report.findings
        if found.where is not None and found.severity != "info"
    ]


LINE = spread.__code__.co_firstlineno + 3
put = get("shadow")


@pytest.mark.parametrize(
    "run",
    [
        lambda: put(spread)(X),
        lambda: jax.jit(put(spread))(X),
        lambda: put(jax.jit(spread))(X),
        lambda: jax.jit(jax.value_and_grad(put(spread)))(X),
        lambda: jax.vmap(put(spread))(X[None]),
        lambda: jax.lax.scan(lambda c, x: (c, put(spread)(x)), None, X[None])[1],
    ],
)
def test_the_line_is_found_wherever_it_is_called(run: Callable[[], Any]) -> None:
    assert found_by(run) == [("cancellation", LINE)]


def test_values_and_derivatives_stay() -> None:
    for one, other in ((put(spread), spread), (jax.jit(put(spread)), jax.jit(spread))):
        assert one(X) == other(X)
        assert jnp.array_equal(jax.grad(one)(X), jax.grad(other)(X))
    key = jax.random.key(0)
    drawn = jax.jit(put(lambda k, n: jax.random.normal(k, (n,))), static_argnums=1)(key, 3)
    assert jnp.array_equal(drawn, jax.random.normal(key, (3,)))
    wait()


def test_which_calls_are_looked_at() -> None:
    good = X / 1000

    def run(every: int) -> Callable[[], Any]:
        step = jax.jit(put(spread, every=every))
        return lambda: [step(x) for x in (good - 1, good - 1, X)]

    assert found_by(run(0)) == []
    assert found_by(run(2)) == [("cancellation", LINE)]


def test_captured_values_of_a_trace_and_what_cannot_be_looked_at() -> None:
    @jax.jit
    def outer(x: jax.Array) -> jax.Array:
        return put(lambda y: spread(x + y))(x * 0)

    assert found_by(lambda: outer(X)) == [("cancellation", LINE)]
    assert put(lambda x: x if x.sum() > 0 else -x)(X)[0] == 1000  # its branches depend on values


def test_without_a_watch_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="jaxkit.shadow"):
        put(spread)(X)
        wait()
    [record] = caplog.records
    assert f"test_applied.py:{LINE}" in record.message
    assert "cancellation" in record.message


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="rtol must be 0 or more, or None, got rtol=-1"):
        put(rtol=-1)
    with pytest.raises(ValueError, match="every must be a number of calls, or 0 for the first"):
        put(every=1.5)


def test_what_the_program_changes_afterwards_is_looked_at_as_it_was() -> None:
    def run() -> Any:
        batch = X.copy()
        out = jax.block_until_ready(put(spread)(batch))
        batch[:] = 0  # as a loader that fills one buffer again and again
        return out

    assert found_by(run) == [("cancellation", LINE)]
