"""`fit` trains as a loop written by hand does, and leaves what it was given alone."""

from __future__ import annotations

import gc
import signal
import warnings
import weakref
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxkit
from jaxkit.training import Progress, fit
from tests.training.problem import (
    adam,
    arrays,
    assert_close,
    assert_equal,
    batches,
    by_hand,
    compiles,
    each,
    masked,
    mean,
    model,
)


@pytest.mark.parametrize("loss", [each, mean, masked])
def test_it_trains_as_the_loop_by_hand(loss: Any) -> None:
    wanted, losses = by_hand(model(), each, batches(), adam(), epochs=3)
    result = fit(model(), loss, batches(), adam(), epochs=3, log_every=1)
    assert_close(result.model, wanted)
    np.testing.assert_allclose([row["loss"] for row in result.history], losses, rtol=1e-4)
    assert (result.step, result.epoch, result.stopped) == (12, 3, "finished")
    assert compiles(result) == 1
    assert result.report.ok


def test_what_is_given_stays() -> None:
    mine = model()
    before = [np.array(leaf) for leaf in arrays(mine)]
    data = batches()
    copies = [{name: array.copy() for name, array in batch.items()} for batch in data]
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    filters = list(warnings.filters)
    fit(mine, each, data, adam(), epochs=2)
    for leaf, old in zip(arrays(mine), before, strict=True):
        assert (leaf == old).all()
    for batch, copy in zip(data, copies, strict=True):
        assert all((batch[name] == copy[name]).all() for name in copy)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    assert list(warnings.filters) == filters


def test_a_plain_pytree_and_integers_in_it() -> None:
    mine = {"w": jnp.zeros(3), "n": jnp.arange(2), "name": "linear", "none": None}

    def loss(model: Any, batch: Any) -> Any:
        assert model["name"] == "linear"
        return jnp.square(batch["x"] @ model["w"] + model["n"][0] - batch["y"])

    result = fit(mine, loss, batches(), optax.sgd(0.1), epochs=20, validation=batches(seed=1))
    assert result.model["name"] == "linear"
    assert (result.model["n"] == jnp.arange(2)).all()
    assert result.history[-1]["loss"] < 0.5


def test_steps_go_over_epochs() -> None:
    result = fit(model(), each, batches(), adam(), steps=10)
    assert (result.step, result.epoch) == (10, 2)
    result = fit(model(), each, batches(), adam(), steps=10, epochs=1)
    assert (result.step, result.epoch) == (4, 1)
    result = fit(model(), each, iter(batches()), adam(), steps=3)
    assert (result.step, result.epoch) == (3, 0)


def test_each_epoch_by_its_number() -> None:
    seen = []

    def shuffled(epoch: int) -> Any:
        seen.append(epoch)
        return np.random.default_rng(epoch).permutation(np.array(batches(), dtype=object)).tolist()

    fit(model(), each, shuffled, adam(), epochs=3)
    assert seen == [0, 1, 2]


def test_metrics_are_means_of_the_steps_since_the_row_before() -> None:
    def loss(model: Any, batch: Any) -> Any:
        values = each(model, batch)
        return values, {"size": batch["x"][:, 0] * 0 + batch["y"].shape[0], "right": values < 1e9}

    _, losses = by_hand(model(), each, batches(), adam(), epochs=2)
    result = fit(model(), loss, batches(), adam(), epochs=2, log_every=3, has_aux=True)
    assert [(row["step"], row["epoch"]) for row in result.history] == [
        (3, 0),
        (4, 0),
        (6, 1),
        (8, 1),
    ]
    wanted = [np.mean(losses[:3]), losses[3], np.mean(losses[4:6]), np.mean(losses[6:])]
    np.testing.assert_allclose([row["loss"] for row in result.history], wanted, rtol=1e-4)
    assert all(row["size"] == 16 and row["right"] == 1 for row in result.history)


def test_transforms_stand_around_the_gradients() -> None:
    links = [
        jaxkit.accumulate_gradients(n=4, has_value=True),
        jaxkit.clip_gradients(max_norm=0.5, has_value=True),
    ]
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), adam())
    wanted, _ = by_hand(model(), each, batches(), optimizer, epochs=2)
    result = fit(model(), each, batches(), adam(), epochs=2, transforms=links)
    assert_close(result.model, wanted, rtol=1e-4)


def test_microbatches_leave_padding_out_too() -> None:
    data = batches(rows=3 * 16 + 9)
    link = jaxkit.accumulate_gradients(n=4, has_value=True, has_aux=True)

    def loss(model: Any, batch: Any) -> Any:
        values = each(model, batch)
        return values, {"error": values}

    wanted, losses = by_hand(model(), each, data, adam())
    result = fit(
        model(), loss, data, adam(), transforms=[link], has_aux=True, log_every=1, ragged="pad"
    )
    assert_close(result.model, wanted, rtol=1e-4)
    np.testing.assert_allclose([row["error"] for row in result.history], losses, rtol=1e-4)


def test_a_mean_by_mask_in_microbatches() -> None:
    """Of 5 rows in 8 microbatches of 2, three have padding only."""
    data = batches(rows=3 * 16 + 5)
    link = jaxkit.accumulate_gradients(n=8, has_value=True)
    wanted, losses = by_hand(model(), each, data, adam())
    result = fit(model(), masked, data, adam(), transforms=[link], log_every=1)
    assert_close(result.model, wanted, rtol=1e-4)
    np.testing.assert_allclose([row["loss"] for row in result.history], losses, rtol=1e-4)


def test_a_key_for_each_step() -> None:
    def loss(model: Any, batch: Any, key: Any) -> Any:
        return each(model, batch) + 0 * jax.random.uniform(key), {"draw": jax.random.uniform(key)}

    runs = [
        fit(model(), loss, batches(), adam(), key=key, has_aux=True, log_every=1)
        for key in (jax.random.key(3), jax.random.PRNGKey(3))
    ]
    draws = [[row["draw"] for row in run.history] for run in runs]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) == 4


def test_validation() -> None:
    held_out = batches(rows=40, seed=1)
    result = fit(model(), each, batches(), adam(), epochs=2, validation=held_out)
    assert [row["step"] for row in result.history] == [4, 8]
    values = np.concatenate([np.asarray(each(result.model, batch)) for batch in held_out])
    np.testing.assert_allclose(result.history[-1]["validation_loss"], values.mean(), rtol=1e-5)
    result = fit(model(), each, batches(), adam(), epochs=2, validation=held_out, validate_every=3)
    assert [row["step"] for row in result.history if "validation_loss" in row] == [3, 6]
    assert compiles(result, "validation_step") == 1


def test_validation_is_in_inference_mode() -> None:
    net = eqx.nn.Sequential([eqx.nn.Linear(3, 1, key=jax.random.key(0)), eqx.nn.Dropout(0.5)])

    def loss(model: Any, batch: Any, key: Any) -> Any:
        keys = jax.random.split(key, batch["x"].shape[0])
        return (jax.vmap(lambda x, k: model(x, key=k))(batch["x"], keys)[:, 0] == 0).astype(float)

    result = fit(net, loss, batches(), optax.sgd(0.0), key=jax.random.key(0), validation=batches())
    assert result.history[-1]["validation_loss"] == 0
    assert result.history[-1]["loss"] > 0.2
    assert not result.model[1].inference


def test_callbacks_see_each_step_and_stop_it() -> None:
    seen = []

    def callback(event: Progress) -> str | None:
        assert isinstance(event.metrics["loss"], jax.Array)
        seen.append((event.step, event.epoch, event.model))
        return "stop" if event.step == 6 else None

    result = fit(model(), each, batches(), adam(), epochs=5, callbacks=[callback])
    assert [each[:2] for each in seen] == [(i + 1, i // 4) for i in range(6)]
    assert (result.stopped, result.step) == ("callback", 6)
    assert_equal(result.model, seen[-1][2])
    wanted, _ = by_hand(model(), each, batches()[:2], adam())
    assert_close(seen[1][2], wanted)


def test_optimisers_that_want_the_loss_and_odd_states() -> None:
    for optimizer in (
        optax.chain(adam(), optax.contrib.reduce_on_plateau(patience=1)),
        optax.inject_hyperparams(optax.adam)(learning_rate=0.05),
        optax.adamw(optax.cosine_decay_schedule(0.05, 8)),
        optax.MultiSteps(adam(), 2),
    ):
        result = fit(model(), each, batches(), optimizer, epochs=2)
        assert compiles(result) == 1
        assert np.isfinite(result.history[-1]["loss"])


def test_weak_types_and_numpy_are_compiled_once() -> None:
    mine = {"a": jnp.asarray(1.0), "b": np.zeros(3, np.float32), "c": jnp.float16(1.0)}
    assert mine["a"].weak_type

    def loss(model: Any, batch: Any) -> Any:
        return jnp.square(batch["x"] @ model["b"] * model["a"] + model["c"] - batch["y"])

    result = fit(mine, loss, batches(), adam(), epochs=2)
    assert compiles(result) == 1
    assert [leaf.dtype for leaf in arrays(result.model)] == ["float32", "float32", "float16"]


def test_the_result_says_what_it_is() -> None:
    result = fit(model(), each, batches(), adam(), epochs=6, log_every=5)
    loss = result.history[-1]["loss"]
    assert repr(result) == f"<fit: finished after 24 steps, 6 epochs, loss={loss:.4g}>"
    assert "fit: 24 steps, 6 epochs; finished" in str(result.report)
    assert "fit: 24 steps" in result._repr_html_()
    phases = result.timing.data["phases"]
    assert {"data", "dispatch", "compile"} <= set(phases)
    assert phases["compile"]["total"] > 0
    assert jaxkit.Report.from_json(result.report.to_json()) == result.report


def test_nothing_is_kept_alive() -> None:
    data = [dict(batch) for batch in batches()]
    refs = [weakref.ref(batch["x"]) for batch in data]
    result = fit(model(), each, iter(data), adam())
    data.clear()
    gc.collect()
    assert [ref() is None for ref in refs] == [True] * 4
    assert result.step == 4


@pytest.mark.parametrize(("steps", "epochs"), [(4, 1), (5, 1), (8, 2)])
def test_epochs_are_counted_where_the_steps_end_with_one(steps: int, epochs: int) -> None:
    data = batches()
    for source in (data, lambda epoch: data):
        result = fit(model(), each, source, adam(), steps=steps)
        assert (result.step, result.epoch, result.stopped) == (steps, epochs, "finished")
        assert f"{steps} steps, {epochs} epoch" in str(result.report)


def test_in_64_bits() -> None:
    with jax.enable_x64(True):
        data = [jax.tree.map(np.float64, batch) for batch in batches(rows=3 * 16 + 11)]
        mine = jax.tree.map(lambda x: x.astype("float64") if eqx.is_array(x) else x, model())
        wanted, _ = by_hand(mine, each, data, adam())
        result = fit(mine, each, data, adam())
        assert_close(result.model, wanted, rtol=1e-12, atol=1e-13)
        assert compiles(result) == 1


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Memory that JAX reads itself on a CPU."""
    raw = np.empty(int(np.prod(shape)) + 16, np.float32)
    begin = (-raw.ctypes.data // 4) % 16
    return raw[begin : begin + int(np.prod(shape))].reshape(shape)


@pytest.mark.parametrize("buffers", [1, 3])
def test_a_loader_that_fills_the_same_arrays_again(buffers: int) -> None:
    data = batches(rows=20 * 16)
    ring = [{"x": aligned((16, 3)), "y": aligned((16,))} for _ in range(buffers)]

    def loader(epoch: int) -> Any:
        for i, batch in enumerate(data):
            for name, array in batch.items():
                ring[i % buffers][name][...] = array
            yield ring[i % buffers]

    def loss(model: Any, batch: Any) -> Any:
        # What is cheap is computed before the call returns, and nothing could go wrong.
        slow = jnp.ones((300, 300)) * batch["x"][0, 0]
        for _ in range(4):
            slow = slow @ slow * 0.01
        batch, slow = jax.lax.optimization_barrier((batch, slow))
        return each(model, batch) + 0 * slow[0, 0]

    wanted = fit(model(), loss, data, adam(), epochs=2)
    assert_equal(fit(model(), loss, loader, adam(), epochs=2).model, wanted.model)
