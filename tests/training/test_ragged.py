"""A last batch with fewer rows: left out of every mean, and nothing is compiled again."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.training import fit
from jaxkit.training.filling import filled, weights
from tests.training.problem import (
    adam,
    assert_close,
    batches,
    by_hand,
    compiles,
    each,
    masked,
    mean,
    model,
)

RAGGED = batches(rows=3 * 16 + 5)


@pytest.mark.parametrize("loss", [each, masked])
def test_it_is_compiled_once(loss: Any) -> None:
    wanted, losses = by_hand(model(), each, RAGGED, adam(), epochs=2)
    result = fit(model(), loss, RAGGED, adam(), epochs=2, log_every=1)
    assert compiles(result) == 1
    assert result.report.ok
    assert_close(result.model, wanted)
    np.testing.assert_allclose([row["loss"] for row in result.history], losses, rtol=1e-4)


def test_arrays_of_jax_are_padded_without_compiling() -> None:
    data = jax.tree.map(jnp.asarray, RAGGED)
    assert compiles(fit(model(), each, data, adam(), epochs=2)) == 1


def test_a_loss_that_would_count_the_padding_is_compiled_for_it() -> None:
    wanted, _ = by_hand(model(), each, RAGGED, adam(), epochs=2)
    result = fit(model(), mean, RAGGED, adam(), epochs=2)
    assert compiles(result) == 2
    assert_close(result.model, wanted)
    (finding,) = [found for found in result.report.findings if found.severity == "warning"]
    assert finding.kind == "ragged-batch"
    assert finding.message == (
        "batch 3 of epoch 0 had 5 rows in place of 16, and the step was compiled again for it: "
        "a loss of one number would count its padding"
    )
    assert "mask" in (finding.fix or "")


def test_a_metric_that_would_count_the_padding() -> None:
    def loss(model: Any, batch: Any) -> Any:
        values = each(model, batch)
        return values, {"worst": jnp.max(values), "error": jnp.mean(values)}

    result = fit(model(), loss, RAGGED, adam(), has_aux=True, log_every=1)
    assert compiles(result) == 2
    np.testing.assert_allclose(
        [row["loss"] for row in result.history], [row["error"] for row in result.history], rtol=1e-5
    )


def test_left_out() -> None:
    wanted, _ = by_hand(model(), each, RAGGED[:3], adam(), epochs=2)
    result = fit(model(), each, RAGGED, adam(), epochs=2, ragged="drop")
    assert (result.step, result.epoch, compiles(result)) == (6, 2, 1)
    assert_close(result.model, wanted)


def test_compiled_where_that_is_asked_for() -> None:
    wanted, _ = by_hand(model(), each, RAGGED, adam(), epochs=2)
    result = fit(model(), each, RAGGED, adam(), epochs=2, ragged="compile")
    assert compiles(result) == 2
    assert_close(result.model, wanted)
    assert result.report.ok


def test_padding_makes_no_nan() -> None:
    def loss(model: Any, batch: Any) -> Any:
        x = batch["x"] / jnp.linalg.norm(batch["x"], axis=1, keepdims=True)  # 0 / 0 for zeros
        return each(model, {**batch, "x": x})

    result = fit(model(), loss, RAGGED, adam(), epochs=2)
    assert result.stopped == "finished"


@pytest.mark.parametrize("array", [np.arange(6).reshape(3, 2), jnp.arange(3.0)])
def test_the_last_row_is_repeated(array: Any) -> None:
    made = filled({"a": array}, 5)["a"]
    assert type(made) is type(array)
    assert made.dtype == array.dtype
    assert (np.asarray(made) == np.asarray(array)[[0, 1, 2, 2, 2]]).all()


def test_keys_are_padded_too() -> None:
    keys = jax.random.split(jax.random.key(0), 3)
    made = filled(keys, 4)
    assert made.dtype == keys.dtype
    assert (jax.random.key_data(made[3]) == jax.random.key_data(keys[2])).all()


def test_weights_make_the_mean_of_all_that_of_the_real() -> None:
    values = np.array([1.0, 2.0, 3.0, 100.0])
    assert np.mean(values * weights(3, 4)) == 2.0
    assert (weights(4, 4) == 1).all()
