"""Layers in a row: their formula, and signals that neither fade nor grow."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.models import MLP, ConvNet
from tests.models.subjects import KEY, normal

pytestmark = pytest.mark.usefixtures("cheap_compilation")


def test_it_is_the_formula() -> None:
    model = MLP(3, 2, 4, 2, key=KEY, activation=jnp.tanh)
    biased = jax.tree.map(lambda leaf: leaf + 0.1, model)
    x = normal(0, 3)
    a, b, c = ((np.asarray(each.weight), np.asarray(each.bias)) for each in biased.layers)
    want = c[0] @ np.tanh(b[0] @ np.tanh(a[0] @ x + a[1]) + b[1]) + c[1]
    np.testing.assert_allclose(biased(x), want, rtol=1e-5)


def test_it_is_equinoxs_with_its_weights() -> None:
    ours = MLP(3, 2, 4, 2, key=KEY)
    theirs = eqx.nn.MLP(3, 2, 4, 2, key=KEY)
    theirs = eqx.tree_at(lambda each: each.layers, theirs, ours.layers)
    x = normal(0, 3)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("activation", "gain", "bounds"),
    [(jax.nn.relu, 2**0.5, (0.3, 3.0)), (jnp.tanh, 1.0, (0.05, 1.0))],
    ids=["relu", "tanh"],
)
def test_signals_neither_fade_nor_grow(activation: Any, gain: float, bounds: Any) -> None:
    """Without the gain, eight layers of ReLU leave 1/256 of the mean square."""
    model = jax.jit(lambda: MLP(256, 256, 256, 8, key=KEY, activation=activation, gain=gain))()
    out = jax.jit(jax.vmap(model))(normal(0, 16, 256))
    assert bounds[0] < float(jnp.mean(out**2)) < bounds[1]


def test_variances_are_those_of_the_docstrings() -> None:
    made = jax.jit(
        lambda: (MLP(100, 50, 200, 2, key=KEY), ConvNet((8, 8, 20), 100, (50, 40), key=KEY))
    )
    model, net = made()
    for layer, variance in zip(model.layers, (2 / 100, 2 / 200, 1 / 200), strict=True):
        np.testing.assert_allclose(jnp.var(layer.weight), variance, rtol=0.05)
        assert layer.bias is not None
        assert not layer.bias.any()
    variances = [jnp.var(each.weight) for each in (*net.convolutions, net.readout)]
    np.testing.assert_allclose(variances, [2 / 180, 2 / 450, 1 / 160], rtol=0.05)


def test_single_numbers() -> None:
    assert jax.eval_shape(lambda x: MLP("scalar", "scalar", 4, 1, key=KEY)(x), 0.5).shape == ()
    assert jax.eval_shape(lambda: MLP(2, 2, 4, 0, key=KEY, use_bias=False)).layers[0].bias is None


def test_the_digits() -> None:
    """A convolution that sees what is beside a point, and logits that know where it is."""
    model = ConvNet(key=KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(model)) == 6090
    flat = np.zeros((8, 8, 1), np.float32)
    points = np.stack([flat] * 64)
    points[np.arange(64), np.arange(64) // 8, np.arange(64) % 8] = 1
    logits = np.asarray(jax.jit(jax.vmap(model))(points))
    assert (np.abs(logits - np.asarray(model(flat))).max(axis=-1) > 1e-4).all()


def test_images_are_cast() -> None:
    model = ConvNet(key=KEY)
    image = np.random.default_rng(0).integers(0, 17, size=(8, 8, 1))
    np.testing.assert_array_equal(model(image.astype(np.uint8)), model(image.astype(np.float32)))


def test_odd_sizes_lose_their_last_row() -> None:
    model = jax.eval_shape(lambda: ConvNet((5, 7, 3), 4, (2, 2), key=KEY))
    assert model.readout.weight.shape == (4, 1 * 1 * 2)
    assert jax.eval_shape(lambda model, x: model(x), model, normal(0, 5, 7, 3)).shape == (4,)
