"""A NaN that a condition chose is that of the operation at whose result the condition looked.

Every sixth case by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxkit import NonFiniteError, nan_origin, transforms
from jaxkit.numerics.nonfinite.find import Origin, find
from jaxkit.numerics.nonfinite.programs import program_of
from tests.numerics.faults.case import Case
from tests.numerics.nonfinite.choices import (
    BAD,
    CONDITION,
    SOUND,
    THROUGH,
    carried_flag,
    cond,
    median_of_medians,
    quantile,
)
from tests.part import part


@pytest.mark.parametrize("name", part(THROUGH, 6))
def test_the_operation_at_whose_result_a_condition_looked(name: str) -> None:
    case = THROUGH[name]
    report = nan_origin(case.function)(*case.args())
    [finding] = report.findings
    assert finding.where is not None
    assert (finding.where.line, finding.kind) in case.fair, finding.message
    assert finding.data["through"]["file"] == case.file
    assert finding.data["through"]["line"] >= case.line
    at = f"choices.py:{finding.data['through']['line']}"
    assert finding.message.endswith(f"{at}, which looked at it and chose NaN")
    assert finding.fix


@pytest.mark.parametrize("name", part(CONDITION, 6))
def test_a_condition_of_finite_values_is_named_itself(name: str) -> None:
    case = CONDITION[name]
    [finding] = nan_origin(case.function)(*case.args()).findings
    assert finding.where is not None
    assert (finding.where.line, finding.kind) == (case.line, "invalid"), finding.message
    assert finding.message.startswith("a condition chose NaN, which stands there as a constant")
    assert "through" not in finding.data


@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.name)
def test_what_is_meant_is_not_blamed(case: Case) -> None:
    report = nan_origin(case.function)(*case.args())
    assert report.findings == (), str(report)


def test_what_is_told() -> None:
    [finding] = nan_origin(quantile.function)(*quantile.args()).findings
    assert finding.data["through"]["line"] == quantile.line + 1
    assert finding.message.startswith("log has no value: log(-1) = nan, at [1] of f32[3]; it")
    assert finding.data["operands"] == (-1.0,)


def test_the_turn_is_told() -> None:
    [finding] = nan_origin(carried_flag.function)(*carried_flag.args()).findings
    assert finding.data["iteration"] == (1,)
    assert finding.data["operands"] == (-1.0,)


def test_each_operation_that_was_looked_at() -> None:
    def both(x):
        return jnp.median(jnp.log(x)), jnp.median(jnp.sqrt(x))

    report = nan_origin(jax.jit(both))(*BAD())
    assert [f.data["operation"] for f in report.findings] == ["log"]  # both on one line

    def apart(x):
        low = jnp.median(jnp.log(x))
        return low, jnp.median(jnp.sqrt(x))

    report = nan_origin(apart)(*BAD())
    assert [f.data["operation"] for f in report.findings] == ["log", "sqrt"]
    assert [f.data["leaves"] for f in report.findings] == [("output[0]",), ("output[1]",)]
    lines = [f.data["through"]["line"] - apart.__code__.co_firstlineno for f in report.findings]
    assert lines == [1, 2]


def test_the_last_of_the_conditions_is_told() -> None:
    [finding] = nan_origin(median_of_medians.function)(*median_of_medians.args()).findings
    assert finding.data["through"]["line"] == median_of_medians.line + 2


def test_a_condition_whose_result_is_not_used_is_not_told() -> None:
    def twice(x):
        y = jnp.log(x)
        first = jnp.median(y)
        return jnp.where(jnp.isnan(y).any(), jnp.nan, 0.0), jnp.isnan(first)

    [finding] = nan_origin(twice)(*BAD()).findings
    assert finding.data["through"]["line"] == twice.__code__.co_firstlineno + 3


@pytest.mark.parametrize("case", [quantile, cond, carried_flag], ids=lambda case: case.name)
def test_each_equation_by_itself_finds_the_same(case: Case) -> None:
    program = program_of(case.function, tuple(map(jnp.asarray, case.args())), {})
    [together] = find(program, program.inputs, barriers=True)
    [apart] = Origin(program, barriers=True, apart=True).of(program.inputs)[1]
    assert apart == together


def test_a_nan_that_was_given() -> None:
    report = nan_origin(jnp.median)(jnp.array([1.0, jnp.nan]))
    assert report.findings == ()
    assert report.data["arguments"] == ("args[0]",)
    assert "NaN came in as args[0]; no operation of the function made one." in str(report)


@pytest.mark.parametrize("around", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_the_transform_raises_with_the_operation(around: Any) -> None:
    called = around(transforms.get("nan_origin")(quantile.function))

    def run() -> None:
        """With several devices the error is raised in this thread, wherever it is by then."""
        jax.block_until_ready(called(*BAD()))
        jax.effects_barrier()
        for _ in range(1000):
            time.sleep(0.01)

    with pytest.raises((NonFiniteError, jax.errors.JaxRuntimeError)) as caught:
        run()
    assert f"choices.py:{quantile.line}: invalid: log has no value" in str(caught.value)


def test_padding_moves_what_it_is_given() -> None:
    [finding] = nan_origin(lambda x: jnp.log(jnp.pad(x, 1, constant_values=1.0)))(*BAD()).findings
    assert (finding.kind, finding.data["operands"]) == ("invalid", (-1.0,))


def test_integers_can_be_padded() -> None:
    [finding] = nan_origin(lambda x: jnp.log(x)[jnp.pad(jnp.arange(3), 1)])(*BAD()).findings
    assert (finding.kind, finding.data["operands"]) == ("invalid", (-1.0,))
