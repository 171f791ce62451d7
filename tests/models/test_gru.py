"""Laws of the GRU: its formula, causality, padding, and one step at a time."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxkit
from jaxkit.models import GRU
from tests.models.subjects import KEY, normal

pytestmark = pytest.mark.usefixtures("cheap_compilation")

TIME = 6
MODEL = jax.jit(lambda: GRU(3, 2, 4, key=KEY))()
RUN = jax.jit(lambda model, x, length: model(x, length=length))
X = normal(0, TIME, 3)


def near(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def by_hand(model: GRU, x: np.ndarray) -> np.ndarray:
    """The formula in NumPy, gate by gate."""

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    cell = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), model.cell)
    of_input, of_state = np.split(cell.weight_ih, 3), np.split(cell.weight_hh, 3)
    bias = np.split(cell.bias, 3)
    state, rows = np.zeros(4), []
    for each in x:
        reset = sigmoid(of_input[0] @ each + of_state[0] @ state + bias[0])
        update = sigmoid(of_input[1] @ each + of_state[1] @ state + bias[1])
        new = np.tanh(of_input[2] @ each + bias[2] + reset * (of_state[2] @ state + cell.bias_n))
        state = (1 - update) * new + update * state
        rows.append(model.readout.weight @ state + model.readout.bias)
    return np.stack(rows)


def test_it_is_the_formula() -> None:
    near(MODEL(X), by_hand(MODEL, X))


@settings(max_examples=20)
@given(st.integers(0, TIME - 1))
def test_causality(at: int) -> None:
    changed = X.copy()
    changed[at] += 1
    before, after = RUN(MODEL, X, TIME), RUN(MODEL, changed, TIME)
    np.testing.assert_array_equal(before[:at], after[:at])
    assert (np.abs(before - after)[at:].max(axis=-1) > 1e-5).all()


@settings(max_examples=20)
@given(st.integers(0, TIME), st.sampled_from([0.0, 1e30, np.nan, np.inf]))
def test_padding_is_not_looked_at(length: int, value: float) -> None:
    padded = X.copy()
    padded[length:] = value
    out = RUN(MODEL, padded, length)
    near(out[:length], RUN(MODEL, X, TIME)[:length])
    last = RUN(MODEL, X, TIME)[length - 1] if length else MODEL.readout(MODEL.initial_state())
    near(out[length:], jnp.broadcast_to(last, out[length:].shape))


def test_no_gradient_comes_from_padding() -> None:
    padded = X.copy()
    padded[4:] = np.nan
    gradient, of_x = jax.grad(lambda model, x: jnp.sum(model(x, length=4)), (0, 1))(MODEL, padded)
    want = jax.grad(lambda model: jnp.sum(model(X, length=4)))(MODEL)
    jax.tree.map(near, gradient, want)
    assert (of_x[4:] == 0).all()
    assert np.isfinite(of_x).all()


def test_a_ragged_batch_is_one_program() -> None:
    lengths = np.array([6, 2, 0, 5])
    batch = normal(1, 4, TIME, 3)
    run = jaxkit.max_compiles(jax.jit(jax.vmap(RUN, in_axes=(None, 0, 0))), n=1)
    out = run(MODEL, batch, lengths)
    run(MODEL, batch, lengths[::-1])
    for x, length, got in zip(batch, lengths, out, strict=True):
        if length:
            near(got[-1], MODEL(x[:length])[-1])


def test_a_traced_length_out_of_range_is_the_nearest() -> None:
    near(RUN(MODEL, X, 99), MODEL(X))
    near(RUN(MODEL, X, -1), RUN(MODEL, X, 0))


def test_step_by_step() -> None:
    state, rows = MODEL.initial_state(), []
    for x in X:
        row, state = MODEL.step(x, state)
        rows.append(row)
    near(jnp.stack(rows), MODEL(X))
    half = MODEL.initial_state()
    for x in X[:2]:
        _, half = MODEL.step(x, half)
    near(MODEL(X[2:], state=half), MODEL(X)[2:])


def test_messages() -> None:
    for length in (-1, 7):
        with pytest.raises(ValueError) as caught:
            MODEL(X, length=length)
        assert str(caught.value) == (
            f"length must be from 0 to the 6 steps that there are, got length={length}"
        )
    with pytest.raises(TypeError) as caught_type:
        MODEL(X, length=2.5)  # type: ignore[arg-type]
    assert str(caught_type.value) == "length must be an integer, got dtype float32"
    with pytest.raises(ValueError) as caught:
        MODEL(X, state=np.zeros(3))
    assert str(caught.value) == "state must have shape (4,), got (3,)"
    with pytest.raises(ValueError) as caught:
        MODEL(X[:0])
    assert str(caught.value) == "x must have shape (time, 3), got (0, 3)"
