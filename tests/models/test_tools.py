"""jaxkit's own tools and transforms on these models: nothing to report, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from tests.models.subjects import SUBJECTS, Subject

pytestmark = pytest.mark.usefixtures("cheap_compilation")

EACH = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)


def loss(model: Any, batch: Any) -> jax.Array:
    return jnp.mean(jnp.tanh(jax.vmap(model)(batch)) ** 2)


def sample(subject: Subject) -> tuple[Any, Any]:
    sizes = subject.sizes[-1]
    batch = np.stack([subject.example(sizes, seed) for seed in range(4)])
    return subject.model(sizes), jnp.asarray(batch)


@EACH
@pytest.mark.parametrize("wrap", [lambda f: f, jax.value_and_grad], ids=["forward", "gradient"])
def test_nothing_to_lint(subject: Subject, wrap: Callable[[Any], Any]) -> None:
    report = jaxkit.lint(wrap(loss))(*sample(subject))
    assert report.ok, str(report)


@pytest.mark.parametrize("name", ["gru", "transformer"])
def test_no_precision_is_lost(name: str) -> None:
    subject = next(each for each in SUBJECTS if each.name == name)
    report = jaxkit.compare_x64(jax.grad(loss))(*sample(subject))
    assert report.ok, str(report)


@pytest.mark.parametrize("name", ["mlp", "transformer"])
def test_microbatches_and_clipping(name: str) -> None:
    model, batch = sample(next(each for each in SUBJECTS if each.name == name))
    plain = jax.jit(jax.grad(loss))(model, batch)
    chained = jaxkit.chain(
        jaxkit.accumulate_gradients(n=2, has_value=True),
        jaxkit.clip_gradients(max_norm=1e-3, has_value=True),
        jax.jit,
    )(jax.value_and_grad(loss))
    _, clipped = chained(model, batch)
    want, norm = jaxkit.clip_by_global_norm(plain, 1e-3)
    assert norm > 1e-3
    for got, expected in zip(jax.tree.leaves(clipped), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-8)
