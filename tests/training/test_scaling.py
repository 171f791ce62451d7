"""Half precision: the weights stay in float32, small gradients are not lost, overflow is met."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxkit.training import DynamicLossScale, StaticLossScale, fit
from tests.training.problem import adam, arrays, batches, by_hand, each, model


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_computed_in_half_precision_kept_in_single(dtype: Any) -> None:
    seen = []

    def loss(model: Any, batch: Any) -> Any:
        seen.extend([model.weight.dtype, batch["x"].dtype])
        return each(model, batch)

    _, losses = by_hand(model(), each, batches(), adam(), epochs=8)
    result = fit(model(), loss, batches(), adam(), epochs=8, compute_dtype=dtype)
    assert set(seen) == {jnp.dtype(dtype)}
    assert {leaf.dtype.name for leaf in arrays(result.model)} == {"float32"}
    np.testing.assert_allclose(result.history[-1]["loss"], np.mean(losses[-4:]), rtol=0.2)


def tiny(model: Any, batch: Any) -> Any:
    """Its gradients are below float16's smallest number."""
    return (model["w"] * jnp.float16(1e-4)) * jnp.full(batch["x"].shape[0], 1e-4, jnp.float16)


@pytest.mark.parametrize("scale", [None, StaticLossScale(2.0**15), DynamicLossScale()])
def test_small_gradients_need_a_scale(scale: Any) -> None:
    mine = {"w": jnp.float32(1.0)}
    options = {"loss_scale": scale, "compute_dtype": jnp.float16, "log_every": 1}
    result = fit(mine, tiny, batches(), optax.sgd(1e6), **options)
    moved = 1.0 - float(result.model["w"])
    # 4 steps of 1e-8 * 1e6; of 16 rows each has a sixteenth.
    assert moved == pytest.approx(0.0 if scale is None else 4e-2, rel=0.02, abs=1e-9)
    np.testing.assert_allclose(result.history[0]["loss"], 1e-8, rtol=3)


def steep(model: Any, batch: Any) -> Any:
    return model["w"] * jnp.full(batch["x"].shape[0], 8.0, jnp.float16)


def test_a_scale_that_is_too_large_falls() -> None:
    scale = DynamicLossScale(initial=2.0**20, every=1000)
    options = {"loss_scale": scale, "compute_dtype": jnp.float16}
    result = fit({"w": jnp.float32(1.0)}, steep, batches(), optax.sgd(0.01), epochs=4, **options)
    assert result.stopped == "finished"
    skipped = result.report.data["skipped"]
    assert 0 < skipped < 10
    assert float(result.model["w"]) == pytest.approx(1 - 0.08 * (16 - skipped), rel=1e-3)


def test_at_the_smallest_it_is_up_to_the_policy() -> None:
    def loss(model: Any, batch: Any) -> Any:
        return jnp.exp(model["w"] * 0) * jnp.inf * model["w"] * jnp.ones(batch["x"].shape[0])

    scale = DynamicLossScale(initial=4.0)
    result = fit({"w": jnp.float32(1.0)}, loss, batches(), adam(), loss_scale=scale)
    assert (result.stopped, result.step) == ("nonfinite", 0)


def test_it_grows_and_falls() -> None:
    scale = DynamicLossScale(initial=8.0, every=2, smallest=4.0)
    state = scale.init()
    seen = []
    for finite in (True, True, True, False, False, False):
        state, lost = scale.update(state, jnp.bool_(finite))
        seen.append((float(state["scale"]), bool(lost)))
    assert seen == [(8, False), (16, False), (16, False), (8, True), (4, True), (4, False)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StaticLossScale(0), "scale must be a positive number, got scale=0"),
        (lambda: DynamicLossScale(every=-1), "every must be a positive number, got every=-1"),
        (lambda: DynamicLossScale(factor=1.0), "factor must be more than 1, got factor=1.0"),
    ],
)
def test_numbers_that_make_no_sense(make: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("dtype", [int, "int32", bool, "float33", jnp.complex64, 3])
def test_what_cannot_be_computed_in(dtype: Any) -> None:
    with pytest.raises(ValueError) as caught:
        fit(model(), each, batches(), adam(), compute_dtype=dtype)
    assert str(caught.value) == (
        "compute_dtype must be a dtype of floating-point numbers, such as jnp.bfloat16, got "
        f"compute_dtype={dtype!r}"
    )


def test_computed_in_double_precision_needs_it() -> None:
    with pytest.raises(ValueError) as caught:
        fit(model(), each, batches(), adam(), compute_dtype="float64")
    assert str(caught.value) == (
        "compute_dtype=float64 needs JAX in 64 bits, and it is in 32: call "
        "jax.config.update('jax_enable_x64', True) first, or take float32"
    )
