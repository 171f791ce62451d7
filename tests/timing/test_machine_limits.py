"""The roofs of a roofline: arithmetic exactly, measurements against an independent one."""

import dataclasses
import time

import jax
import jax.numpy as jnp
import pytest

from jaxkit.errors import UsageError
from jaxkit.timing import MachineLimits, machine_limits

LIMITS = MachineLimits("cpu (test)", {"float32": 1e11, "bfloat16": 2e11}, 1e10, 0.5, ("float16",))


def test_the_longer_of_computing_and_moving() -> None:
    assert LIMITS.seconds(flops=2e11) == 2.0
    assert LIMITS.seconds(bytes=3e10) == 3.0
    assert LIMITS.seconds(flops=2e11, bytes=3e10) == 3.0
    assert LIMITS.seconds(flops=2e11, dtype="bfloat16") == 1.0
    assert LIMITS.seconds(flops=2e11, dtype="int8") == 2.0
    assert LIMITS.fraction(4.0, flops=2e11, bytes=1e10) == 0.5
    assert LIMITS.fraction(4.0) is None
    assert LIMITS.balance == 10.0


def test_without_a_measurement_nothing_is_claimed() -> None:
    empty = MachineLimits("cpu", {}, 0.0)
    assert empty.fraction(1.0, flops=1e9, bytes=1e9) is None
    assert empty.balance is None


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        LIMITS.bandwidth = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        LIMITS.flops["float32"] = 1.0  # type: ignore[index]


def test_the_report() -> None:
    assert str(LIMITS).splitlines() == [
        "jaxkit: limits of cpu (test), measured in 500 ms",
        "what                             limit",
        "--------------------------------------",
        "matrix product, float32    100 GFLOP/s",
        "matrix product, bfloat16   200 GFLOP/s",
        "copy, read and written       10.0 GB/s",
        "no time was left for float16",
    ]
    assert LIMITS.report().data["incomplete"] == ("float16",)
    assert "GFLOP/s" in LIMITS._repr_html_()


def test_measured_once_and_about_right() -> None:
    begin = time.perf_counter()
    limits = machine_limits()
    assert time.perf_counter() - begin < 10  # 2 where nothing else runs
    assert machine_limits() is limits
    assert limits.took > 0
    assert limits.bandwidth > 0
    product = jax.jit(jnp.matmul)
    x = jnp.ones((1024, 1024))
    product(x, x).block_until_ready()
    best = float("inf")
    for _ in range(15):
        begin = time.perf_counter()
        product(x, x).block_until_ready()
        best = min(best, time.perf_counter() - begin)
    fraction = limits.fraction(best, flops=2 * 1024**3)
    assert fraction is not None
    assert 0.2 < fraction < 5


def test_what_runs_around_it_makes_no_difference() -> None:
    with jax.transfer_guard("disallow"), jax.debug_nans(True):
        limits = machine_limits(jax.devices()[1])
    assert limits.flops["float32"] > 0
    assert limits is not machine_limits()


def test_under_a_trace_nothing_runs() -> None:
    def f(x: jax.Array) -> jax.Array:
        machine_limits()
        return x

    with pytest.raises(UsageError) as caught:
        jax.jit(f)(1.0)
    assert str(caught.value) == (
        "machine_limits() was called while jax.jit or another transformation that makes a program "
        "is traced, where nothing runs: call it outside, before"
    )
