"""A step that is not finite: found without waiting, explained by its line, nothing spoilt."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxkit import NonFiniteError
from jaxkit.training import Checkpoints, fit
from tests.training.problem import adam, assert_close, batches, by_hand, each, model


def root(model: Any, batch: Any) -> Any:
    """The square root of a negative number for the batch that has a 7."""
    return each(model, batch) + 0 * jnp.sqrt(5.0 - batch["x"][:, 0])


def poisoned(at: int, value: float = 7.0) -> list[Any]:
    data = batches(rows=8 * 16)
    data[at]["x"][2, 0] = value
    return data


def test_it_ends_before_that_step_and_says_which_line() -> None:
    result = fit(model(), root, poisoned(5), adam(), epochs=2, log_every=4)
    assert (result.stopped, result.step, result.epoch) == ("nonfinite", 5, 0)
    wanted, _ = by_hand(model(), each, poisoned(5)[:5], adam())
    assert_close(result.model, wanted, rtol=1e-4)
    finding = result.report.findings[0]
    assert finding.kind == "nonfinite"
    assert finding.message.startswith("step 5 (batch 5 of epoch 0): loss or gradients not finite: ")
    lines, first = inspect.getsourcelines(root)
    line = first + next(i for i, text in enumerate(lines) if "jnp.sqrt" in text)
    assert finding.where is not None
    assert (finding.where.file, finding.where.line) == (__file__, line)
    # It is told once, and of nothing that is not the user's.
    assert finding.data["kind"] == "invalid"
    assert "sqrt(-2) = nan" in finding.message
    assert "where" not in finding.message
    assert all(other.message not in finding.message for other in result.report.findings[1:])
    assert [row["step"] for row in result.history] == [4]
    assert "stopped at a step that was not finite" in str(result.report)


def test_nan_in_the_data_is_said_to_be_in_the_data() -> None:
    result = fit(model(), each, poisoned(3, np.nan), adam())
    assert (result.stopped, result.step) == ("nonfinite", 3)
    finding = result.report.findings[0]
    assert finding.message == (
        "step 3 (batch 3 of epoch 0): loss or gradients not finite: NaN came in as batch['x']"
    )
    assert finding.fix == "look at the batch, or leave such steps out with on_nonfinite='skip'"


def test_raised() -> None:
    with pytest.raises(NonFiniteError, match=r"step 5 .batch 5 of epoch 0") as caught:
        fit(model(), root, poisoned(5), adam(), on_nonfinite="raise")
    assert caught.value.report.findings[0].kind == "nonfinite"


def test_skipped_and_counted() -> None:
    data = poisoned(3, np.nan)
    result = fit(model(), each, data, adam(), log_every=2, on_nonfinite="skip")
    assert (result.stopped, result.step) == ("finished", 8)
    wanted, _ = by_hand(model(), each, data[:3] + data[4:], adam())
    assert_close(result.model, wanted)
    (finding,) = [found for found in result.report.findings if found.severity == "warning"]
    assert finding.message == "1 of 8 steps were not finite and not applied"
    assert all(np.isfinite(row["loss"]) for row in result.history)


def test_a_row_without_a_finite_step_says_so() -> None:
    result = fit(model(), each, poisoned(3, np.nan), adam(), log_every=1, on_nonfinite="skip")
    assert [np.isnan(row["loss"]) for row in result.history] == [i == 3 for i in range(8)]


def test_an_update_that_overflows_is_seen_at_the_next_step(tmp_path: Path) -> None:
    def loss(model: Any, batch: Any) -> Any:
        return (model["w"] - jax.lax.stop_gradient(model["w"])) * jnp.ones(batch["x"].shape[0])

    options = {"checkpoints": Checkpoints(tmp_path, every=1)}
    result = fit({"w": jnp.float32(1.0)}, loss, batches(), optax.sgd(3e38), **options)
    assert (result.stopped, result.step) == ("nonfinite", 2)
    finding = result.report.findings[0]
    assert finding.message == (
        "step 2 (batch 2 of epoch 0): loss or gradients not finite: model['w'] was not, after the "
        "update of the step before"
    )
    assert "lower the learning rate" in (finding.fix or "")
    # Nothing could go on from parameters that are infinite.
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
