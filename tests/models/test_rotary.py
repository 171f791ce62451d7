"""Rotary embeddings: rotations, and products that depend on the distance alone."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxkit.models import rotate


def vectors(seed: int, size: int = 8) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(1, 2, size)))


TURN = jax.jit(rotate)
positions = st.integers(0, 500)


@settings(max_examples=30)
@given(positions, positions, st.integers(-400, 400))
def test_products_depend_on_the_distance_alone(m: int, n: int, shift: int) -> None:
    with jax.enable_x64(True):
        query, key = vectors(0), vectors(1)

        def product(m: int, n: int) -> np.ndarray:
            turned = TURN(query, np.array([m])), TURN(key, np.array([n]))
            return np.sum(np.asarray(turned[0]) * np.asarray(turned[1]), axis=-1)

        np.testing.assert_allclose(product(m, n), product(m + shift, n + shift), atol=1e-11)


@settings(max_examples=20)
@given(positions)
def test_lengths_are_kept_and_position_zero_turns_nothing(m: int) -> None:
    x = vectors(0).astype(jnp.float32)
    turned = TURN(x, np.array([m]))
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-5
    )
    np.testing.assert_array_equal(TURN(x, np.array([0])), x)


def test_rotations_add_up() -> None:
    with jax.enable_x64(True):
        x = vectors(3)
        twice = rotate(rotate(x, jnp.array([5])), jnp.array([7]))
        np.testing.assert_allclose(twice, rotate(x, jnp.array([12])), atol=1e-13)


@pytest.mark.parametrize("theta", [10_000.0, 500.0])
def test_it_is_the_rotation_of_complex_numbers(theta: float) -> None:
    x = np.random.default_rng(0).normal(size=(5, 2, 6))
    at = np.array([0, 3, 11, 200, 1000])
    turn = np.exp(1j * at[:, None, None] * theta ** (-np.arange(0, 6, 2) / 6))
    want = (x[..., :3] + 1j * x[..., 3:]) * turn
    with jax.enable_x64(True):
        got = rotate(jnp.asarray(x), jnp.asarray(at), theta=theta)
    np.testing.assert_allclose(got, np.concatenate([want.real, want.imag], -1), atol=1e-12)
    single = rotate(jnp.asarray(x, jnp.float32), jnp.asarray(at), theta=theta)
    assert np.abs(np.asarray(single) - np.asarray(got)).max() < 1000 * 1.2e-7 * np.abs(x).max() * 2


def test_it_is_equinoxs() -> None:
    x = vectors(0, size=6)[0].astype(jnp.float32)  # as two steps of one head
    want = eqx.nn.RotaryPositionalEmbedding(6, dtype=jnp.float32)(x)
    np.testing.assert_allclose(rotate(x[:, None], jnp.arange(2))[:, 0], want, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtypes_are_kept(dtype: str) -> None:
    assert rotate(vectors(0).astype(dtype), jnp.array([3])).dtype == dtype


def test_messages() -> None:
    with pytest.raises(ValueError) as caught:
        rotate(jnp.zeros((2, 1, 3)), jnp.arange(2))
    assert str(caught.value) == "x must have shape (time, heads, even size), got (2, 1, 3)"
    with pytest.raises(ValueError) as caught:
        rotate(jnp.zeros((2, 1, 4)), jnp.arange(3))
    assert str(caught.value) == "positions must have shape (2,) as x has, got (3,)"
