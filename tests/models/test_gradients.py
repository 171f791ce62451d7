"""Gradients are those of finite differences in 64 bits, in all parameters and inputs.

Every second model by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxkit.models import GRU, LinearRegression, Transformer
from tests.models.subjects import KEY, SUBJECTS, Subject
from tests.part import part

pytestmark = pytest.mark.usefixtures("cheap_compilation")

STEP = 1e-5


def held_against_differences(loss: Any, at: Any, *, rtol: float = 1e-6) -> np.ndarray:
    """Each entry of the gradient against a central difference; gives the gradient."""
    flat, unravel = ravel_pytree(at)
    assert flat.dtype == jnp.float64
    moves = STEP * np.concatenate([np.eye(flat.size), -np.eye(flat.size)])

    @jax.jit
    def both(flat: jax.Array, moved: jax.Array) -> Any:
        value = lambda flat: loss(unravel(flat))  # noqa: E731
        return jax.grad(value)(flat), jax.lax.map(value, moved)

    gradient, values = map(np.asarray, both(flat, np.asarray(flat) + moves))
    plus, minus = np.split(values, 2)
    scale = np.abs(gradient).max()
    np.testing.assert_allclose(gradient, (plus - minus) / (2 * STEP), rtol=rtol, atol=rtol * scale)
    return gradient


def loss_of(subject: Subject, sizes: dict[str, int], seed: int) -> Any:
    """A loss that looks at every output, each with a weight of its own."""
    weights = jnp.asarray(np.random.default_rng(seed).normal(size=subject.out(sizes)))
    return lambda model, x: jnp.sum(weights * jnp.tanh(model(x)))


@pytest.mark.parametrize("subject", part(SUBJECTS, 2), ids=lambda each: each.name)
def test_in_the_parameters(subject: Subject) -> None:
    with jax.enable_x64(True):
        sizes = subject.sizes[0]
        model = larger(subject.model(sizes, "float64"))
        x = jnp.asarray(subject.example(sizes, 1))
        loss = functools.partial(loss_of(subject, sizes, 2), x=x)
        gradient = held_against_differences(loss, model)
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("name", ["mlp", "gru"])
def test_in_the_input(name: str) -> None:
    subject = next(each for each in SUBJECTS if each.name == name)
    with jax.enable_x64(True):
        sizes = subject.sizes[0]
        model, loss = subject.model(sizes, "float64"), loss_of(subject, sizes, 2)
        x = jnp.asarray(subject.example(sizes, 1), jnp.float64)
        held_against_differences(lambda x: loss(model, x), x)


def test_of_a_padded_sequence() -> None:
    with jax.enable_x64(True):
        model = jax.jit(lambda: GRU(2, 3, 4, key=KEY, dtype="float64"))()
        x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 2)))
        gradient = held_against_differences(lambda x: jnp.sum(model(x, length=4) ** 2), x)
        assert (gradient.reshape(6, 2)[4:] == 0).all()


def test_through_the_cache() -> None:
    with jax.enable_x64(True):
        model = jax.jit(lambda: Transformer(3, 4, 1, 1, 4, key=KEY, dtype="float64"))()
        model = larger(model)

        def loss(model: Transformer) -> jax.Array:
            logits, cache = model.extend(jnp.array([2, 1]), model.empty_cache())
            last, _ = model.step(jnp.array(0), cache)
            return jnp.sum(jnp.tanh(logits)) + jnp.sum(last**2)

        held_against_differences(loss, model)


def test_the_closed_form_is_where_the_gradient_is_zero() -> None:
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        x, y = jnp.asarray(rng.normal(size=(20, 3))), jnp.asarray(rng.normal(size=(20, 2)))

        def loss(model: LinearRegression) -> jax.Array:
            return jnp.mean((jax.vmap(model)(x) - y) ** 2)

        at_best = jax.grad(loss)(LinearRegression.solve(x, y))
        assert all(np.abs(leaf).max() < 1e-14 for leaf in jax.tree.leaves(at_best))


def larger(model: Any) -> Any:
    """Weights of the size that training gives them: differences are not to drown in rounding."""
    flat, unravel = ravel_pytree(model)
    return unravel(flat + 0.3 * jnp.asarray(np.random.default_rng(7).normal(size=flat.shape)))
