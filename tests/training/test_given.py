"""Mistakes in what is given are told at the call, before anything is computed."""

from __future__ import annotations

import threading
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxkit.training import EarlyStopping, fit
from tests.training.problem import adam, batches, compiles, each, mean, model

STATE = (
    "model must have no state beside its parameters, which fit would not update, got {}: take "
    "eqx.nn.GroupNorm or LayerNorm, or freeze the statistics: train eqx.nn.inference_mode(model), "
    "with the eqx.nn.State in the loss and not in the model"
)


class Untouched:
    """Batches that must not be asked for."""

    def __iter__(self) -> Any:
        raise AssertionError("the data were gone through")


def refused(kind: Any, *given: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        fit(*given, **options)
    return str(caught.value)


def test_a_model_with_nan() -> None:
    mine = {
        "w1": jnp.ones(3).at[1].set(jnp.nan),
        "w2": np.array([np.inf], np.float32),
        "n": jnp.arange(2),
    }
    assert refused(ValueError, mine, each, Untouched(), adam()) == (
        "the model that was given has NaN in model['w1']: no step of it would be finite; look at "
        "how it was made"
    )


def test_a_model_with_an_infinity_is_not_said_to_have_been_updated() -> None:
    def loss(model: Any, batch: Any) -> Any:
        return jnp.square(batch["x"] @ model["w"])

    result = fit({"w": jnp.full(3, jnp.inf)}, loss, batches(), adam())
    finding = result.report.findings[0]
    assert (result.stopped, result.step) == ("nonfinite", 0)
    assert finding.message == (
        "step 0 (batch 0 of epoch 0): loss or gradients not finite: model['w'] was not in the "
        "model that was given"
    )
    assert finding.fix == "give a model of finite numbers"


def normed() -> Any:
    """A model with BatchNorm, and its state."""
    key = jax.random.key(0)
    return eqx.nn.make_with_state(eqx.nn.Sequential)(
        [eqx.nn.Linear(3, 1, key=key), eqx.nn.BatchNorm(1, "batch", mode="batch")]
    )


def test_layers_with_state() -> None:
    net, state = normed()
    for given, named in (
        (net, "model.layers[1] (BatchNorm)"),
        ((net, state), "model[0].layers[1] (BatchNorm), model[1] (State)"),
        ({"net": eqx.nn.inference_mode(net), "state": state}, "model['state'] (State)"),
        (
            [net] * 5,
            ", ".join(f"model[{i}].layers[1] (BatchNorm)" for i in range(3)) + " and 2 more",
        ),
    ):
        assert refused(TypeError, given, each, Untouched(), adam()) == STATE.format(named)


def test_frozen_statistics() -> None:
    net, state = normed()

    def loss(model: Any, batch: Any) -> Any:
        def one(x: Any) -> Any:
            return model(x, state)[0]

        return jnp.square(jax.vmap(one, axis_name="batch")(batch["x"])[:, 0] - batch["y"])

    result = fit(eqx.nn.inference_mode(net), loss, batches(), optax.adamw(0.1), epochs=9)
    assert result.history[-1]["loss"] < result.history[0]["loss"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"callbacks": print},
            (
                "callbacks must be a list of functions, as in callbacks=[print], got "
                "callbacks=<built-in function print> of type builtin_function_or_method"
            ),
        ),
        ({"callbacks": [3]}, "callbacks must be functions of one Progress, got 3"),
        ({"metric": 3}, "metric must be a name in the history, got metric=3"),
        (
            {"key": 3},
            "key must be a random key, got key=3 of type int: write jax.random.key(0)",
        ),
        (
            {"key": np.ones(3, np.uint32)},
            (
                "key must be a random key, got key=array([1, 1, 1], dtype=uint32) of type ndarray: "
                "write jax.random.key(0)"
            ),
        ),
    ],
)
def test_options_of_another_type(options: Any, message: str) -> None:
    def loss(model: Any, batch: Any, key: Any = None) -> Any:
        return each(model, batch)

    assert refused(TypeError, model(), loss, Untouched(), adam(), **options) == message


def test_several_keys() -> None:
    for keys in (jax.random.split(jax.random.key(0)), jax.random.split(jax.random.PRNGKey(0))):
        assert refused(ValueError, model(), keyed, Untouched(), adam(), key=keys) == (
            "key must be one key, got 2 of shape (2,): give one of them; fit makes one for each "
            "step of it"
        )


def keyed(model: Any, batch: Any, key: Any) -> Any:
    return each(model, batch)


def test_rules_of_early_stopping() -> None:
    with pytest.raises(TypeError) as caught:
        EarlyStopping(3)  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == (
        "metric must be a name in the history, got metric=3: write "
        "EarlyStopping('validation_loss', patience=5)"
    )
    with pytest.raises(TypeError, match="min_delta must be a number, got min_delta='much'"):
        EarlyStopping(min_delta="much")  # pyright: ignore[reportArgumentType]
    assert EarlyStopping(min_delta=np.float32(0.5)).min_delta == 0.5  # pyright: ignore[reportArgumentType]


def test_a_metric_that_there_is_not() -> None:
    assert refused(ValueError, model(), each, batches(), adam(), metric="nope") == (
        "metric must be one of this run's, got metric='nope': there are loss"
    )
    options: dict[str, Any] = {"metric": "validation_loss", "validation": batches()}
    assert fit(model(), each, batches(), adam(), **options).step == 4


@pytest.mark.parametrize("said", [True, "halt", 0])
def test_what_a_callback_returns(said: Any) -> None:
    def ends(event: Any) -> Any:
        return said

    assert refused(TypeError, model(), each, batches(), adam(), callbacks=[ends]) == (
        f"a callback must return None, or 'stop' to end the run, got ends() -> {said!r}"
    )


def test_messages_are_short() -> None:
    batch = batches()[0]
    for options in ({"early_stopping": [batch] * 9}, {"devices": [batch] * 9}):
        assert len(refused(TypeError, model(), each, Untouched(), adam(), **options)) < 300
    assert len(refused(TypeError, model(), [batch] * 9, Untouched(), adam())) < 300


def test_validation_is_looked_at_first() -> None:
    def narrow(model: Any, batch: Any) -> Any:
        return jnp.square(batch["x"] @ model["w"])

    def checked(validation: Any, loss: Any = each, **options: Any) -> str:
        return refused(
            ValueError, model(), loss, Untouched(), adam(), validation=validation, **options
        )

    assert checked([]) == "validation must have at least one batch, got none in epoch 0"
    assert "batch 0 of epoch 0 of validation has no batch axis" in checked((np.ones(()),))
    assert checked(batches(size=3), mean, devices=2).startswith("each of the 2 devices takes an ")
    wrong = [{"x": np.ones((4, 2), np.float32)}]
    mine = {"w": jnp.ones(3)}
    assert "(2,)" in refused(TypeError, mine, narrow, Untouched(), adam(), validation=wrong)


def test_looking_at_validation_takes_nothing_away() -> None:
    wanted = fit(model(), each, batches(), adam(), validation=batches(seed=1)).history
    for source in (iter(batches(seed=1)), lambda number: iter(batches(seed=1))):
        assert fit(model(), each, batches(), adam(), validation=source).history == wanted


def test_compilations_of_other_threads_are_not_of_the_run() -> None:
    def other(event: Any) -> None:
        if event.step == 2:
            thread = threading.Thread(target=jax.jit(lambda elsewhere: elsewhere + 1), args=(1.0,))
            thread.start()
            thread.join()
            jax.jit(lambda here: here - 1)(1.0)

    result = fit(model(), each, batches(), adam(), callbacks=[other])
    assert compiles(result) == 1
    names = [event.signature.leaves[0].path for event in result.compiles.events if event.signature]
    assert "here" in str(names)
    assert "elsewhere" not in str(names)
