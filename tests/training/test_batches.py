"""What is no batch, or not a batch that JAX takes: named by its path, with the way out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.training import fit
from tests.training.problem import adam, batches, each, model

X, Y = np.ones((6, 3), np.float32), np.ones(6, np.float32)
NO_AXIS = (
    "has no batch axis: every array of a batch has one row for each example along its first axis"
)


class Foreign:
    """As a tensor of another library, with a dtype of its own."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, "torch.float32"

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


class Opaque:
    pass


def refused(data: Any, kind: type[Exception], **options: Any) -> str:
    with pytest.raises(kind) as caught:
        fit(model(), each, data, adam(), **options)
    return str(caught.value)


OF_NUMBERS = "leave it out of the batch, or encode it as numbers"
OF_NUMPY = "give numpy.asarray of it"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("name", np.array(["a"] * 6), f"has dtype <U1, which JAX does not take: {OF_NUMBERS}"),
        ("name", "a", f"has dtype <U1, which JAX does not take: {OF_NUMBERS}"),
        (
            "x",
            X.astype(object),
            (
                "has dtype object, which JAX does not take: make numbers of it, as with "
                ".astype(numpy.float32)"
            ),
        ),
        (
            "when",
            np.zeros(6, "datetime64[s]"),
            f"has dtype datetime64[s], which JAX does not take: {OF_NUMBERS}",
        ),
        (
            "x",
            Foreign(X),
            (
                "is of type Foreign with dtype 'torch.float32', which is none of NumPy's: "
                f"{OF_NUMPY}"
            ),
        ),
        (
            "x",
            Opaque(),
            f"is no array but of type Opaque: {OF_NUMPY}, or leave it out of the batch",
        ),
    ],
)
def test_what_jax_does_not_take(name: str, value: Any, message: str) -> None:
    bad = {"x": X, "y": Y, name: value}
    expected = f"batch['{name}'] of batch 0 of epoch 0 {message}"
    assert refused([bad], TypeError) == expected
    if name in ("x", "y"):
        expected = f"batch['{name}'] of batch 4 of epoch 0 {message}"
        assert refused([*batches(), bad], TypeError) == expected


def test_what_jax_takes() -> None:
    more = {"on": np.ones(16, bool), "half": np.ones((16, 2), jnp.bfloat16), "n": np.arange(16)}
    keys = jax.random.split(jax.random.key(0), 16)
    data = [{**batch, **more, "key": keys, "nothing": None} for batch in batches()]
    assert fit(model(), each, data, adam()).step == 4


def test_no_rows_at_first() -> None:
    empty = {"x": X[:0], "y": Y[:0]}
    said = "batch 0 of epoch 0 has no rows: leave it out"
    with pytest.raises(ValueError) as caught:
        fit(model(), each, [empty], adam())
    assert str(caught.value) == said
    note = "jaxkit.training.fit had done 0 steps; checkpoints= would have kept them"
    assert caught.value.__notes__ == [note]
    assert refused([empty, *batches()], ValueError, ragged="drop") == said
    assert refused(batches(), ValueError, validation=[empty]) == (
        "batch 0 of epoch 0 of validation has no rows: leave it out"
    )


def test_one_batch_in_place_of_batches() -> None:
    assert refused((X, Y), TypeError) == (
        "batches must be an iterable of batches that are alike, got a tuple of float32[6, 3], "
        "float32[6]: if it is one batch, put it in a list, batches=[(x, y)]"
    )
    assert refused({"x": X, "y": Y}, TypeError) == (
        "batches must be an iterable of batches, got a dict with the keys ['x', 'y']: if it is one "
        "batch, put it in a list, batches=[batch]"
    )
    assert refused(Y, ValueError) == (
        f"batch 0 of epoch 0 {NO_AXIS}; if batches= is one batch, put it in a list"
    )
    assert refused(batches(), TypeError, validation=[X, Y]).startswith(
        "validation must be an iterable of batches that are alike, got a list of float32[6, 3], "
    )


def test_lists_are_taken_apart() -> None:
    assert refused([{"x": X.tolist(), "y": Y}], ValueError) == (
        f"batch['x'][0][0] of batch 0 of epoch 0 {NO_AXIS}; a list is taken apart: give "
        "numpy.asarray of it"
    )
    assert refused([{"x": X, "weight": 0.5}], ValueError) == (
        f"batch['weight'] of batch 0 of epoch 0 {NO_AXIS}"
    )


def test_arrays_that_are_batches() -> None:
    def loss(model: Any, batch: Any) -> Any:
        return jnp.square(jax.vmap(model)(batch)[:, 0])

    assert fit(model(), loss, (X, X[:4]), adam()).step == 2
    with pytest.raises(ValueError) as caught:
        fit(model(), loss, [X, X[:4, :2]], adam())
    assert str(caught.value) == (
        "batch 1 of epoch 0 has rows of float32[2], and in the first they were float32[3]: all "
        "batches must be alike but for their number of rows"
    )


def test_what_is_given_is_not_written_out() -> None:
    class Long:
        def __repr__(self) -> str:
            return "x\n  " * 1000

    assert refused(Long(), TypeError) == (
        "batches must be an iterable of batches, or a function from the epoch to one, got "
        f"{'x ' * 38}x... of type Long"
    )
