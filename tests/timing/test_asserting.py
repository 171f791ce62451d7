"""`jaxbench.assert_not_slower`: it fails on evidence, and on nothing else."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import pytest

from jaxkit.errors import UsageError
from jaxkit.pytest_plugin import jaxbench as fixture
from jaxkit.timing.asserting import JaxBench


def test_the_fixture_has_all_three(jaxbench: JaxBench) -> None:
    assert fixture is not None
    step = jax.jit(lambda x: x + 1)
    x = jnp.ones(3)
    assert jaxbench.benchmark(step, max_seconds=0.1)(x).seconds > 0
    assert jaxbench.compare({"a": step, "b": step}, max_seconds=0.2)(x)["b"].ratio > 0
    found = jaxbench.assert_not_slower(step, step, by=3.0, args=[x], max_seconds=0.2)
    assert list(found) == ["<lambda> (reference)", "<lambda> (new)"]


def short(seconds: float = 0.002) -> None:
    time.sleep(seconds)


def long(seconds: float = 0.002) -> None:
    time.sleep(2 * seconds)


def test_evidence_fails(jaxbench: JaxBench) -> None:
    with pytest.raises(AssertionError) as caught:
        jaxbench.assert_not_slower(long, short, kwargs={"seconds": 0.003}, max_seconds=1.0)
    said = str(caught.value)
    assert said.startswith("long takes ")
    assert "times as long as short (interval of 95%: " in said
    assert ", by=1.1 is allowed\n" in said
    jaxbench.assert_not_slower(short, long, max_seconds=0.5)
    jaxbench.assert_not_slower(long, short, by=4.0, max_seconds=0.5)


def test_no_evidence_passes(jaxbench: JaxBench) -> None:
    def slow() -> None:
        time.sleep(0.1)

    def slower() -> None:
        time.sleep(0.2)

    found = jaxbench.assert_not_slower(slower, slow, max_seconds=0.05)
    assert found["slower"].verdict == "undecided"
    with pytest.raises(UsageError) as caught:
        jaxbench.assert_not_slower(slow, slow, by=0.0)
    assert str(caught.value) == "by must be above 0, got by=0.0"
