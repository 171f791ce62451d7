"""What is refused, and what is said: the argument, its value, the rule, and the way out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.models import GRU, MLP, Attention, Block, ConvNet, LinearRegression, Transformer
from tests.models.subjects import KEY

pytestmark = pytest.mark.usefixtures("cheap_compilation")


@functools.cache  # made when a test asks, not while tests are collected
def model(name: str) -> Any:
    makers = {
        "regression": lambda: LinearRegression(3, 1, key=KEY),
        "net": lambda: ConvNet(key=KEY),
        "transformer": lambda: Transformer(5, 4, 1, 1, 6, key=KEY),
    }
    return jax.jit(makers[name])()


VALUES: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: model("regression")(np.ones((2, 3))),
        "x must have shape (3,), got (2, 3): for a batch, jax.vmap(model)",
    ),
    (lambda: model("regression")(np.ones(4)), "x must have shape (3,), got (4,)"),
    (lambda: model("regression")(1.0), "x must have shape (3,), got ()"),
    (
        lambda: model("net")(np.ones((16, 8, 8, 1))),
        "x must have shape (8, 8, 1), got (16, 8, 8, 1): for a batch, jax.vmap(model)",
    ),
    (lambda: model("net")(np.ones((8, 8))), "x must have shape (8, 8, 1), got (8, 8)"),
    (
        lambda: GRU(3, 1, 2, key=KEY)(np.ones((2, 5, 3))),
        "x must have shape (time, 3), got (2, 5, 3): for a batch, jax.vmap(model)",
    ),
    (
        lambda: model("transformer")(np.zeros((2, 3), np.int32)),
        "tokens must have shape (time,), got (2, 3): for a batch, jax.vmap(model)",
    ),
    (
        lambda: model("transformer")(np.zeros(7, np.int32)),
        (
            "tokens must be no longer than the model's context=6, got 7: cut them, or make the "
            "model with a larger context"
        ),
    ),
    (
        lambda: model("transformer")(np.array([0, 5, 9])),
        "tokens must be from 0 to 4, the model's vocabulary=5, got tokens[1]=5",
    ),
    (
        lambda: model("transformer").step(-1, model("transformer").empty_cache()),
        "token must be from 0 to 4, the model's vocabulary=5, got token=-1",
    ),
    (
        lambda: Transformer(5, 12, 1, 4, 6, key=KEY),
        (
            "width must be divisible by 2 * heads, so that each head has an even size, got "
            "width=12 and heads=4: take width=16"
        ),
    ),
    (lambda: Attention(8, 0, key=KEY), "heads must be a positive integer, got heads=0"),
    (lambda: Block(8.0, 2, key=KEY), "width must be a positive integer, got width=8.0"),  # type: ignore[arg-type]
    (lambda: Transformer(5, 4, 0, 1, 6, key=KEY), "depth must be a positive integer, got depth=0"),
    (lambda: MLP(3, 1, 4, -1, key=KEY), "depth must be an integer of 0 or more, got depth=-1"),
    (
        lambda: MLP(3, True, 4, 1, key=KEY),
        "out_features must be a positive integer, got out_features=True",
    ),
    (
        lambda: LinearRegression("one", 1, key=KEY),  # type: ignore[arg-type]
        "in_features must be a positive integer or 'scalar', got in_features='one'",
    ),
    (lambda: MLP(3, 1, 4, 1, key=KEY, gain=0.0), "gain must be positive and finite, got gain=0.0"),
    (
        lambda: MLP(3, 1, 4, 1, key=KEY, dtype="int32"),
        "dtype must be one of float16, bfloat16, float32, float64, got dtype='int32'",
    ),
    (
        lambda: MLP(3, 1, 4, 1, key=KEY, dtype="float64"),
        (
            "dtype=float64 needs JAX in 64 bits, and it is in 32: call "
            "jax.config.update('jax_enable_x64', True) first, or take dtype=float32"
        ),
    ),
    (
        lambda: ConvNet((3, 8, 1), key=KEY),
        (
            "image must be at least 4 x 4 to be halved 2 times, got image=(3, 8, 1): give fewer "
            "channels"
        ),
    ),
    (
        lambda: ConvNet((8, 8), key=KEY),
        "image must be (height, width, channels), such as (8, 8, 1), got image=(8, 8)",
    ),
]

TYPES: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: model("regression")([1.0, 2.0, 3.0]),
        "x must be an array, got list: jax.numpy.asarray makes one of it",
    ),
    (lambda: model("regression")(np.ones(3) * 1j), "x must hold real numbers, got dtype complex64"),
    (lambda: model("transformer")(np.zeros(3)), "tokens must hold integers, got dtype float32"),
    (
        lambda: MLP(3, 1, 4, 1, key=0),  # type: ignore[arg-type]
        "key must be one PRNG key, such as jax.random.key(0), got key=0 of type int",
    ),
    (
        lambda: GRU(3, 1, 2, key=jax.random.split(KEY)),
        (
            "key must be one PRNG key, such as jax.random.key(0), got an array of dtype key<fry> "
            "and shape (2,)"
        ),
    ),
    (
        lambda: MLP(3, 1, 4, 1, key=KEY, activation="relu"),  # type: ignore[arg-type]
        (
            "activation must be a function of one array, such as jax.nn.gelu, got "
            "activation='relu' of type str"
        ),
    ),
]


@pytest.mark.parametrize(("call", "message"), VALUES, ids=[message[:50] for _, message in VALUES])
def test_values(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(("call", "message"), TYPES, ids=[message[:50] for _, message in TYPES])
def test_types(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_an_activation_with_parameters() -> None:
    import equinox as eqx

    with pytest.raises(ValueError) as caught:
        MLP(3, 1, 4, 1, key=KEY, activation=eqx.nn.PReLU())
    assert str(caught.value).startswith("activation must have no parameters of its own, which")
    assert str(caught.value).endswith(": equinox.nn.MLP takes such")


def test_old_keys_are_keys() -> None:
    assert MLP(3, 1, 4, 1, key=jax.random.PRNGKey(0))(jnp.ones(3)).shape == (1,)
    made = jax.eval_shape(lambda key: Transformer(5, 4, 2, 1, 6, key=key), jax.random.PRNGKey(0))
    assert made.blocks.up.weight.shape == (2, 16, 4)
