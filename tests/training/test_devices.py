"""Several devices: equal to one, to rounding, by either way of splitting a batch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.training import fit
from tests.training.problem import adam, assert_close, batches, compiles, each, masked, mean, model

CLIP = jaxkit.clip_gradients(max_norm=0.5, has_value=True)


@pytest.mark.parametrize("parallel", ["sharding", "pmap"])
@pytest.mark.parametrize("loss", [each, masked])
def test_four_are_as_one(parallel: Any, loss: Any) -> None:
    options = {"epochs": 3, "transforms": [CLIP], "log_every": 1, "validation": batches(seed=1)}
    data = batches(rows=3 * 16 + 7)
    one = fit(model(), loss, data, adam(), **options)
    four = fit(model(), loss, data, adam(), devices=4, parallel=parallel, **options)
    assert_close(four.model, one.model, rtol=1e-4)
    assert compiles(four) == 1
    for a, b in zip(one.history, four.history, strict=True):
        assert a.keys() == b.keys()
        np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-4)
    assert four.report.ok


def masked_and_more(model: Any, batch: Any, mask: Any) -> Any:
    values = each(model, batch)
    worst = jnp.sum(jnp.abs(values) * mask) / jnp.sum(mask)
    return jnp.sum(values * mask) / jnp.sum(mask), {"each": values, "masked": worst}


@pytest.mark.parametrize("rows", [56, 8])
def test_a_mean_by_mask_counts_the_real_rows_of_each_device(rows: int) -> None:
    """Of 8 rows of 64 on 4 devices, 3 have padding only: their mean is one of nothing."""
    data = batches(rows=64 + rows, size=64)
    options = {"epochs": 2, "log_every": 1, "has_aux": True, "validation": data}
    one = fit(model(), masked_and_more, data, adam(), **options)
    for parallel in ("sharding", "pmap"):
        four = fit(model(), masked_and_more, data, adam(), devices=4, parallel=parallel, **options)
        assert_close(four.model, one.model, rtol=1e-4)
        assert compiles(four) == 1
        for a, b in zip(one.history, four.history, strict=True):
            np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-4)


def test_no_step_is_lost_to_a_device_that_has_padding_only() -> None:
    data = batches(rows=64 + 8, size=64)
    options = {"devices": 4, "parallel": "pmap", "on_nonfinite": "skip"}
    assert fit(model(), masked, data, adam(), **options).report.ok


def test_a_mesh_and_a_list() -> None:
    devices = jax.devices()
    mesh = jax.sharding.Mesh(np.array(devices[:2]), ("batch",))
    explicit = jax.make_mesh((2, 2), ("a", "b"), axis_types=(jax.sharding.AxisType.Explicit,) * 2)
    kinds = (mesh, explicit, devices[2:], "all", 1)
    runs = [fit(model(), each, batches(), adam(), devices=given) for given in kinds]
    for run in runs[1:]:
        assert_close(run.model, runs[0].model)


def test_the_model_comes_back_on_one_device() -> None:
    for parallel in ("sharding", "pmap"):
        run = fit(model(), each, batches(), adam(), devices="all", parallel=parallel)
        assert all(len(x.devices()) == 1 for x in jax.tree.leaves(run.optimizer_state))
        assert run.model(np.ones(3, np.float32)).shape == (1,)


def test_a_model_on_another_device_stays_there() -> None:
    other = jax.devices()[3]
    mine = jax.tree.map(lambda x: jax.device_put(x, other) if hasattr(x, "dtype") else x, model())
    run = fit(mine, each, batches(rows=3 * 16 + 5), adam(), epochs=2)
    assert run.model.weight.devices() == {other}
    assert compiles(run) == 1


def test_nan_on_several_devices() -> None:
    data = batches()
    data[2]["x"][9, 1] = np.nan
    for parallel in ("sharding", "pmap"):
        run = fit(model(), each, data, adam(), devices=4, parallel=parallel)
        assert (run.stopped, run.step) == ("nonfinite", 2)
        assert run.report.findings[0].message.endswith("NaN came in as batch['x']")


def test_dropout_differs_between_devices_by_pmap() -> None:
    def loss(model: Any, batch: Any, key: Any) -> Any:
        draw = jax.random.uniform(key, batch["y"].shape)
        return each(model, batch), {"draw": draw}

    options = {"key": jax.random.key(0), "has_aux": True, "devices": 4, "log_every": 1}
    run = fit(model(), loss, batches(), adam(), parallel="pmap", **options)
    assert 0.2 < run.history[0]["draw"] < 0.8


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (
            64,
            (
                "devices must not be more than there are, got devices=64, and JAX has 4 (cpu): "
                "give 'all' for those; for a CPU in parts, set JAX_NUM_CPU_DEVICES before JAX is "
                "imported"
            ),
        ),
        (0, "devices must be 1 or more, got devices=0"),
        (
            3,
            (
                "each of the 3 devices takes an equal part of a batch, and batch 0 of epoch 0 has "
                "16 rows: take 15 or 18 rows a batch, or fewer devices"
            ),
        ),
    ],
)
def test_devices_that_there_are_not(devices: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        fit(model(), each, batches(), adam(), devices=devices)
    assert str(caught.value) == message


def test_what_is_no_device() -> None:
    with pytest.raises(TypeError, match="devices must be None, a number, 'all', a list"):
        fit(model(), each, batches(), adam(), devices="gpu")
    with pytest.raises(ValueError) as caught:
        fit(model(), each, batches(), adam(), devices=[jax.devices()[0]] * 2)
    assert str(caught.value) == f"devices must differ, got {jax.devices()[0]} more than once"
    with pytest.raises(ValueError, match="parallel must be 'sharding' or 'pmap'"):
        fit(model(), each, batches(), adam(), devices=2, parallel="threads")


def test_a_validation_batch_is_padded_to_equal_parts() -> None:
    data, other = batches(), batches(rows=5, seed=1)
    options = {"validation": other, "log_every": 100}
    one = fit(model(), each, data, adam(), **options)
    four = fit(model(), each, data, adam(), devices=4, **options)
    wanted = one.history[-1]["validation_loss"]
    np.testing.assert_allclose(four.history[-1]["validation_loss"], wanted, rtol=1e-4)
    with pytest.raises(ValueError, match="5 rows: take 4 or 8 rows a batch, or fewer devices"):
        fit(model(), mean, data, adam(), devices=4, **options)
