"""The table of a model's arrays, and the operations of a call."""

from __future__ import annotations

import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.models import MLP, ConvNet, LinearRegression, Transformer, summary
from tests.models.subjects import KEY, SUBJECTS, Subject

pytestmark = pytest.mark.usefixtures("cheap_compilation")

TOKENS = jax.ShapeDtypeStruct((8,), jnp.int32)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
def test_counts_and_operations(subject: Subject) -> None:
    sizes = subject.sizes[0]
    model, x = subject.model(sizes), subject.example(sizes, 0)
    found = summary(model, x)
    leaves = jax.tree.leaves(model)
    assert found.count == sum(leaf.size for leaf in leaves) == found.data["parameters"]
    assert found.data["bytes"] == sum(leaf.nbytes for leaf in leaves)
    assert [each.shape for each in found.arrays] == [leaf.shape for leaf in leaves]
    for each, leaf in zip(found.arrays, leaves, strict=True):
        assert eval(f"model.{each.path}", {"model": model}) is leaf
    assert found.flops == jaxkit.inspect(lambda model, x: model(x))(model, x).flops
    assert summary(model).flops is None
    json.dumps(found.to_dict())


def test_of_a_linear_layer() -> None:
    found = summary(LinearRegression(30, 20, key=KEY), np.ones(30, np.float32))
    assert found.inspection is not None
    assert found.inspection.matmul_flops == 2 * 30 * 20
    assert found.flops == 2 * 30 * 20 + 20


def test_of_a_transformer() -> None:
    """Products: of a token 2 for each weight, the embedding read out among them; and attention."""
    model = jax.eval_shape(lambda: Transformer(50, 16, 3, 2, 8, key=KEY))
    found = summary(model, TOKENS)
    weights = 50 * 16 + 3 * 12 * 16 * 16
    assert found.count == weights + 16 * (2 * 3 + 1)
    assert found.inspection is not None
    assert found.inspection.matmul_flops == 8 * 2 * weights + 3 * 2 * (2 * 8 * 8 * 16)


def test_text() -> None:
    assert str(summary(ConvNet(key=KEY), np.zeros((8, 8, 1), np.float32))) == TEXT


TEXT = """\
ConvNet: 6,090 parameters in 6 arrays
parameters 6,090, memory 23.8 KiB (of float32), a call 173 kFLOP (98% of them
  in matrix products and convolutions)
array                    shape            dtype     numbers   share
-------------------------------------------------------------------
convolutions[0].weight   (16, 1, 3, 3)    float32       144      2%
convolutions[0].bias     (16, 1, 1)       float32        16     <1%
convolutions[1].weight   (32, 16, 3, 3)   float32     4,608     76%
convolutions[1].bias     (32, 1, 1)       float32        32     <1%
readout.weight           (10, 128)        float32     1,280     21%
readout.bias             (10,)            float32        10     <1%
"""


def test_shapes_alone_take_no_memory() -> None:
    huge = jax.eval_shape(lambda: Transformer(10**5, 2**14, 100, 128, 8, key=jax.random.key(0)))
    found = summary(huge, TOKENS)
    assert found.count > 3e11
    assert found.flops is not None
    assert found.flops > 2 * 8 * 3e11


def test_any_module() -> None:
    found = summary(eqx.nn.MLP(2, 3, 4, 1, key=KEY), jnp.ones(2))
    assert found.count == 2 * 4 + 4 + 4 * 3 + 3
    assert found.ok
    mixed = summary({"w": jnp.ones((2, 3)), "n": jnp.arange(4), "name": "mixed"})
    assert (mixed.count, [each.trained for each in mixed.arrays]) == (6, [False, True])
    assert "nothing" in str(summary({}))


def test_keywords_and_what_cannot_be_called() -> None:
    def model(x: Any, *, scale: Any) -> Any:
        return x * scale

    assert summary(model, jnp.ones(3), scale=2.0).flops == 3
    with pytest.raises(TypeError) as caught:
        summary({"w": jnp.ones(3)}, jnp.ones(3))  # type: ignore[arg-type]
    assert str(caught.value) == "model must be callable to be called with an example, got dict"


def test_lines_are_no_wider_than_a_terminal() -> None:
    deep = jax.eval_shape(lambda: MLP(1000, 1000, 1000, 12, key=KEY))
    text = str(summary(deep, jax.ShapeDtypeStruct((1000,), jnp.float32)))
    assert max(map(len, text.splitlines())) <= 80
    assert "layers[12].weight" in text
    assert "layers[12].weight" in summary(deep)._repr_html_()
