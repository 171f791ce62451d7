"""Each mistake has a message that names the thing and the way out."""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxkit
from jaxkit import clip_gradients
from jaxkit.errors import MissingExtraError, UsageError
from jaxkit.training import fit
from tests.training.problem import adam, batches, each, mean, model

ALIKE = "all batches must be alike but for their number of rows"


def changed(name: str, make: Any) -> list[Any]:
    data = [dict(batch) for batch in batches()]
    data[2][name] = make(data[2][name])
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "batches must have at least one batch, got none in epoch 0"),
        (
            changed("x", lambda x: x[:, :2]),
            (
                "batch['x'] of batch 2 of epoch 0 has rows of float32[2], and in the first they "
                f"were float32[3]: {ALIKE}"
            ),
        ),
        (
            changed("y", lambda y: y.astype(int)),
            (
                "batch['y'] of batch 2 of epoch 0 has rows of int64[], and in the first they were "
                f"float32[]: {ALIKE}"
            ),
        ),
        (
            [*batches(), {"x": batches()[0]["x"]}],
            (
                "batch 4 of epoch 0 has the structure PyTreeDef({'x': *}), and the first "
                f"PyTreeDef({{'x': *, 'y': *}}): {ALIKE}"
            ),
        ),
        (
            changed("y", lambda y: y[:9]),
            (
                "the arrays of batch 2 of epoch 0 must have one row for each example, got these "
                "numbers of rows: batch['x'] 16, batch['y'] 9"
            ),
        ),
        (
            [*batches(), *batches(rows=17, size=17)],
            (
                "batch 4 of epoch 0 has 17 rows and the first had 16: with ragged='pad' none may "
                "be larger than the first; let the first be the largest, or give ragged='compile'"
            ),
        ),
        (
            [{"x": np.ones(()), "y": np.ones(3)}],
            (
                "batch['x'] of batch 0 of epoch 0 has no batch axis: every array of a batch has "
                "one row for each example along its first axis"
            ),
        ),
        ([{}], "batch 0 of epoch 0 has no arrays, got {}"),
        (
            [*batches(), {"x": np.ones((0, 3), np.float32), "y": np.ones(0, np.float32)}],
            "batch 4 of epoch 0 has no rows: leave it out",
        ),
    ],
)
def test_batches(data: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        fit(model(), each, data, adam())
    assert str(caught.value) == message


def test_a_generator_that_is_used_up() -> None:
    with pytest.raises(ValueError) as caught:
        fit(model(), each, iter(batches()), adam(), epochs=2)
    assert str(caught.value) == (
        "batches had none left in epoch 1: what was given can be gone through once only, as a "
        "generator; give a list, or a function from the epoch to an iterable"
    )
    assert caught.value.__notes__ == [
        "jaxkit.training.fit had done 4 steps; checkpoints= would have kept them"
    ]


def test_a_batch_of_validation() -> None:
    with pytest.raises(ValueError) as caught:
        fit(model(), each, batches(), adam(), validation=[])
    assert str(caught.value) == "validation must have at least one batch, got none in epoch 0"


def needs_key(model: Any, batch: Any, key: Any) -> Any:
    return each(model, batch)


def test_losses() -> None:
    with pytest.raises(TypeError) as caught:
        fit(model(), needs_key, batches(), adam())
    assert str(caught.value) == (
        "loss is called as loss(model, batch), got needs_key(model: 'Any', batch: 'Any', key: "
        "'Any') -> 'Any': missing a required argument: 'key'; give key= if it needs a random key"
    )
    with pytest.raises(TypeError) as caught:
        fit(model(), each, batches(), adam(), key=jnp.zeros(2, jnp.uint32))
    assert str(caught.value) == (
        "loss is called as loss(model, batch, key), got each(model: 'Any', batch: 'Any') -> 'Any': "
        "too many positional arguments"
    )
    with pytest.raises(TypeError, match=r"give has_aux=True if it returns .loss, metrics."):
        fit(model(), lambda m, b: (mean(m, b), {}), batches(), adam())
    with pytest.raises(TypeError, match=r"with has_aux=True loss must return .loss, metrics."):
        fit(model(), each, batches(), adam(), has_aux=True)
    with pytest.raises(ValueError) as error:
        fit(model(), lambda m, b: jnp.stack([each(m, b)] * 2), batches(), adam())
    assert str(error.value) == (
        "loss must return one number, or one for each of the 16 examples of a batch, got shape "
        "(2, 16) for the loss: take the mean of the other axes"
    )
    with pytest.raises(ValueError, match="metrics have the name 'loss'"):
        fit(model(), lambda m, b: (mean(m, b), {"loss": 0}), batches(), adam(), has_aux=True)


def test_models_and_optimisers() -> None:
    with pytest.raises(TypeError) as caught:
        fit({"w": 1.0, "n": jnp.arange(3)}, each, batches(), adam())
    assert str(caught.value) == (
        "model must have an array of floating-point numbers to be trained, got a dict with none: "
        "Python's numbers are not trained, write jnp.asarray(0.0)"
    )
    with pytest.raises(TypeError, match="optimizer must be one of optax's"):
        fit(model(), each, batches(), optax.adam)


def test_transforms_that_return_something_else() -> None:
    link = jaxkit.clip_gradients(max_norm=1.0, has_value=True, with_norm=True)
    with pytest.raises(TypeError) as caught:
        fit(model(), each, batches(), adam(), transforms=[link])
    assert str(caught.value) == (
        "transforms must return (loss, gradients) as the function under them does, got "
        "((float32[], Linear), float32[]): give a link has_value=True, and none with_norm=True"
    )
    with pytest.raises(TypeError, match="links must be functions from function to function"):
        fit(model(), each, batches(), adam(), transforms=[1])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be an int of 1 or more, got epochs=0"),
        ({"steps": 1.5}, "steps must be an int of 1 or more, got steps=1.5"),
        ({"log_every": None}, "log_every must be an int of 1 or more, got log_every=None"),
        ({"ragged": "cut"}, "ragged must be 'pad', 'drop' or 'compile', got ragged='cut'"),
        (
            {"on_nonfinite": "ignore"},
            "on_nonfinite must be 'stop', 'skip' or 'raise', got on_nonfinite='ignore'",
        ),
    ],
)
def test_options(options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        fit(model(), each, batches(), adam(), **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"callbacks": [1]}, "callbacks must be functions of one Progress, got 1"),
        ({"early_stopping": 3}, "early_stopping must be an EarlyStopping"),
        ({"checkpoints": "here"}, "checkpoints must be Checkpoints, got checkpoints='here'"),
        ({"loss_scale": 2.0}, "loss_scale must be"),
    ],
)
def test_options_of_another_type(options: Any, match: str) -> None:
    with pytest.raises(TypeError, match=match):
        fit(model(), each, batches(), adam(), **options)


def test_what_cannot_be_gone_through() -> None:
    with pytest.raises(TypeError, match="batches must be an iterable of batches, or a function"):
        fit(model(), each, 3, adam())
    with pytest.raises(TypeError, match=r"batches\(0\) must return an iterable"):
        fit(model(), each, lambda epoch: None, adam())


def test_without_optax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(MissingExtraError, match=r"jaxkit-debug\[training\]"):
        fit(model(), each, batches(), adam())


def test_a_clip_that_would_take_the_loss_for_a_gradient() -> None:
    with pytest.raises(ValueError) as caught:
        fit(model(), each, batches(), adam(), transforms=[clip_gradients(max_norm=1.0)])
    assert str(caught.value) == (
        "clip_gradients(max_norm=1.0) in transforms= is put around a function that returns (loss, "
        "gradients), and would take the loss for one of the gradients: give it has_value=True"
    )


def test_a_link_that_stands_in_no_list() -> None:
    with pytest.raises(TypeError, match=r"^transforms must be a list of links, as in transforms="):
        fit(model(), each, batches(), adam(), transforms=clip_gradients(max_norm=1.0))


@pytest.mark.parametrize(
    ("traced", "kind"),
    [(jax.jit, "jax.jit or another"), (jax.vmap, "jax.vmap"), (jax.grad, "jax.grad")],
)
def test_inside_of_a_trace(traced: Any, kind: str) -> None:
    def run(seed: Any) -> Any:
        return fit(model(), each, batches(), adam()).history[-1]["loss"] * seed

    seed = jnp.ones(2) if traced is jax.vmap else jnp.float32(1)
    with pytest.raises(UsageError, match=f"was called inside .*{kind}.*: call it outside"):
        traced(run)(seed)


def test_arrays_in_place_of_batches() -> None:
    """Each array is gone through as if it were a batch: the note says what the loss was given."""
    x, y = np.ones((6, 4), np.float32), np.ones((6, 4), np.float32)

    def loss(model: Any, batch: Any) -> Any:
        x, y = batch
        return x - y

    with pytest.raises(ValueError, match="unpack") as caught:
        fit(model(), loss, (x, y), adam())
    note = next(each for each in caught.value.__notes__ if "jaxkit" in each)
    assert (
        "had done 0 steps, and the first batch was float32[6, 4] (if batches= is one batch, put it "
        "in a list);"
    ) in note
