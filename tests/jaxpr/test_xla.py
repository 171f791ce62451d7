"""XLA's figures beside ours."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxkit
from jaxkit.report import Report
from tests.jaxpr.programs import PROGRAMS, f32


def xla(fun: Any, *args: Any) -> Report:
    return jaxkit.inspect(fun, lints=[])(*args).xla()


def test_a_product_is_counted_alike() -> None:
    found = xla(jnp.matmul, f32(32, 64), f32(64, 16))
    assert found.data["ours"]["flops"] == found.data["xla"]["flops"] == 2 * 32 * 64 * 16
    assert found.data["ours"]["peak_bytes"] == found.data["xla"]["peak_bytes"]
    assert "Why they differ" not in str(found)


def test_a_loop_is_not() -> None:
    def f(x: Any) -> Any:
        return lax.scan(lambda x, _: (x @ x, None), x, length=10)[0]

    found = xla(f, f32(32, 32))
    assert found.data["ours"]["flops"] == 10 * 2 * 32**3
    assert found.data["xla"]["flops"] < 2 * 2 * 32**3
    assert "XLA counts the body of a loop once, however often it turns" in found.data["reasons"]
    assert "- XLA counts the body of a loop once, however often it turns" in str(found)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("convnet", "zeros of a convolution's padding"),
        ("gaussian_process", "calls to a library"),
        ("lstm_scan", "transcendental functions"),
        ("shard_map_matmul", "figures of one device"),
        ("two_branches", "of several branches"),
        ("moe_gather", "arithmetic of indices"),
        ("optax_training_step", "drops what no result needs"),
    ],
)
def test_reasons(name: str, reason: str) -> None:
    fun, args, _ = PROGRAMS[name]()
    found = xla(fun, *args)
    assert any(reason in each for each in found.data["reasons"]), found.data["reasons"]
    assert max(len(line) for line in str(found).splitlines()) <= 80


def test_donated_arguments_are_used_again() -> None:
    step = jax.jit(lambda x: x + 1, donate_argnums=0)
    found = xla(step, f32(64, 64))
    assert found.data["ours"]["peak_bytes"] == found.data["xla"]["peak_bytes"] == 64 * 64 * 4


def test_keys_and_effects_compile() -> None:
    def f(key: Any) -> Any:
        jax.debug.print("drawn")
        return jax.random.normal(key, (8,))

    assert xla(f, jax.random.key(0)).data["xla"]["flops"]
