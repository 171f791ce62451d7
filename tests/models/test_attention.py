"""Attention beside the same in NumPy: rotations as complex numbers, one query at a time."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from jaxkit.models import Attention
from tests.models.subjects import KEY, normal

pytestmark = pytest.mark.usefixtures("cheap_compilation")

TIME, HEADS, SIZE = 5, 2, 4


def by_hand(model: Any, x: np.ndarray) -> np.ndarray:
    def heads(layer: Any) -> np.ndarray:
        return (x @ np.asarray(layer.weight, np.float64).T).reshape(TIME, HEADS, SIZE)

    def turned(heads: np.ndarray) -> np.ndarray:
        pairs = heads[..., : SIZE // 2] + 1j * heads[..., SIZE // 2 :]
        return pairs * np.exp(1j * np.arange(TIME)[:, None, None] * np.array([1.0, 0.01]))

    query, key, value = turned(heads(model.query)), turned(heads(model.key)), heads(model.value)
    rows = np.zeros((TIME, HEADS, SIZE))
    for t in range(TIME):
        for head in range(HEADS):
            scores = (query[t, head] * key[: t + 1, head].conj()).sum(-1).real / SIZE**0.5
            shares = np.exp(scores) / np.exp(scores).sum()
            rows[t, head] = shares @ value[: t + 1, head]
    return rows.reshape(TIME, -1) @ np.asarray(model.output.weight, np.float64).T


def test_it_is_the_formula() -> None:
    model = jax.jit(lambda: Attention(HEADS * SIZE, HEADS, std=0.7, key=KEY))()
    x = normal(0, TIME, HEADS * SIZE)
    got = jax.jit(lambda model, x: model(x))(model, x)
    np.testing.assert_allclose(got, by_hand(model, x), rtol=1e-4, atol=1e-5)
