"""Linear regression: its closed form beside that of NumPy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxkit.models import LinearRegression
from tests.models.subjects import KEY

pytestmark = pytest.mark.usefixtures("cheap_compilation")


def data(seed: int, examples: int, features: int, *out: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(examples, features)), rng.normal(size=(examples, *out))


@settings(max_examples=6)
@given(
    st.integers(0, 99),
    st.sampled_from([(9, 1), (9, 4)]),
    st.sampled_from([(), (1,), (3,)]),
    st.booleans(),
)
def test_it_is_numpys(
    seed: int, shape: tuple[int, int], out: tuple[int, ...], use_bias: bool
) -> None:
    x, y = data(seed, *shape, *out)
    columns = np.concatenate([x, np.ones((len(x), 1))], axis=1) if use_bias else x
    want = np.linalg.lstsq(columns, y, rcond=None)[0]
    with jax.enable_x64(True):
        model = LinearRegression.solve(jnp.asarray(x), jnp.asarray(y), use_bias=use_bias)
        predicted = jax.vmap(model)(x)
    assert model.weight.dtype == jnp.float64
    np.testing.assert_allclose(model.weight.T, want[: shape[1]], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(predicted, columns @ want, rtol=1e-9, atol=1e-12)
    assert predicted.shape == y.shape
    if use_bias:
        assert model.bias is not None
        np.testing.assert_allclose(model.bias, want[-1], rtol=1e-9, atol=1e-12)
    else:
        assert model.bias is None


def test_single_precision_stands_far_from_the_origin() -> None:
    """A column of ones beside features of 1e4 would lose the digits that tell."""
    x, _ = data(0, 50, 3)
    y = x @ np.array([1.0, -2.0, 3.0]) + 5.0
    model = LinearRegression.solve(np.float32(x + 1e4), np.float32(y))
    np.testing.assert_allclose(model.weight, [1.0, -2.0, 3.0], atol=2e-3)


def test_fewer_examples_than_features() -> None:
    x, y = data(0, 3, 5)
    model = LinearRegression.solve(x, y)
    np.testing.assert_allclose(jax.vmap(model)(x), y, atol=1e-5)
    centred = np.linalg.pinv(x - x.mean(0)) @ (y - y.mean())
    np.testing.assert_allclose(model.weight, centred, atol=1e-5)


@pytest.mark.parametrize(
    ("dtypes", "want"),
    [
        (("float16", "float16"), "float16"),
        (("bfloat16", "bfloat16"), "bfloat16"),
        (("int32", "int32"), "float32"),
        (("int32", "bfloat16"), "bfloat16"),
        (("float16", "float32"), "float32"),
    ],
)
def test_dtypes(dtypes: tuple[str, str], want: str, strict_promotion: None) -> None:
    x, y = (
        jnp.asarray(3 * each).astype(dtype)
        for each, dtype in zip(data(0, 9, 2), dtypes, strict=True)
    )
    model = LinearRegression.solve(x, y)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(model)} == {want}
    exact = LinearRegression.solve(x.astype(jnp.float32), y.astype(jnp.float32))
    np.testing.assert_allclose(np.float32(model.weight), exact.weight, rtol=1e-2)


def test_under_jit_and_vmap() -> None:
    x, y = data(0, 9, 2)
    one = LinearRegression.solve(x, y)
    same = jax.jit(LinearRegression.solve)(x, y)
    np.testing.assert_allclose(same.weight, one.weight, rtol=1e-5)
    both = jax.vmap(LinearRegression.solve)(np.stack([x, 2 * x]), np.stack([y, y]))
    np.testing.assert_allclose(both.linear.weight[1], one.linear.weight / 2, rtol=1e-4)


def test_single_numbers() -> None:
    model = LinearRegression("scalar", "scalar", key=KEY)
    assert (model.weight.shape, model(2.0).shape) == ((), ())
    assert LinearRegression("scalar", 3, key=KEY).weight.shape == (3,)
    assert LinearRegression(2, 3, key=KEY, use_bias=False).bias is None


def wrong(x: Any, y: Any) -> str:
    with pytest.raises((ValueError, TypeError)) as caught:
        LinearRegression.solve(x, y)
    return str(caught.value)


def test_messages() -> None:
    x, y = data(0, 4, 2)
    assert wrong(x, y[:3]) == "y must have shape (4,), got (3,)"
    assert wrong(x, np.ones((4, 1, 1))) == (
        "y must have shape (4, out), got (4, 1, 1): for a batch, jax.vmap(LinearRegression.solve)"
    )
    assert wrong(x[0], y) == "x must have shape (examples, in), got (2,)"
    assert wrong(x[:0], y[:0]) == "x must have shape (examples, in), got (0, 2)"
    assert wrong(x, y + 1j) == "y must hold real numbers, got dtype complex64"
    assert wrong([[1.0]], y) == ("x must be an array, got list: jax.numpy.asarray makes one of it")
