"""Each model means the same with and without jit, on and off a device, under pmap, in any shape.

Other than under jit one of them by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxkit.testing import check_function
from jaxkit.testing.variants import run_as
from tests.models.subjects import SUBJECTS, Subject, call, cases

pytestmark = pytest.mark.usefixtures("cheap_compilation")

EACH = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
VARIANTS = ("with_jit", "without_jit", "with_device", "without_device", "with_pmap")
ALL = os.environ.get("JAXKIT_ALL") == "1"
TAKEN = [
    pytest.param(subject, variant, id=f"{variant}-{subject.name}")
    for subject in SUBJECTS
    for variant in VARIANTS
    if ALL or variant == "with_jit" or subject.name == "mlp"
]
RUN = {name: run_as(name, call) for name in VARIANTS}
BATCHED = jax.jit(jax.vmap(call, in_axes=(None, 0)))


@pytest.mark.parametrize(("subject", "variant"), TAKEN)
def test_variants(subject: Subject, variant: str) -> None:
    # Without jit each operation is a program for each shape.
    @settings(max_examples=1 if variant == "without_jit" else 2)
    @given(cases(subject))
    def holds(case: Any) -> None:
        sizes, seed = case
        model, x = subject.model(sizes), subject.example(sizes, seed)
        want = np.asarray(BATCHED(model, x[None])[0])
        assert want.shape == subject.out(sizes)
        assert np.isfinite(want).all()
        np.testing.assert_allclose(RUN[variant](model, x), want, rtol=2e-5, atol=2e-6)

    holds()


@EACH
def test_the_examples_of_a_batch_do_not_see_each_other(subject: Subject) -> None:
    @settings(max_examples=6)
    @given(st.sampled_from(subject.sizes), st.permutations(range(4)))
    def holds(sizes: dict[str, int], order: list[int]) -> None:
        model = subject.model(sizes)
        batch = np.stack([subject.example(sizes, seed) for seed in range(4)])
        want = np.asarray(BATCHED(model, batch))
        got = np.asarray(BATCHED(model, batch[np.array(order)]))
        np.testing.assert_allclose(got, want[np.array(order)], rtol=2e-5, atol=2e-6)
        changed = batch.copy()
        changed[1:] = batch[0]
        np.testing.assert_allclose(BATCHED(model, changed)[0], want[0], rtol=2e-5, atol=2e-6)

    holds()


@EACH
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
def test_dtypes(subject: Subject, name: str) -> None:
    for sizes in subject.sizes:
        model = jax.eval_shape(lambda sizes=sizes: subject.make(sizes, name))
        assert {leaf.dtype.name for leaf in jax.tree.leaves(model)} == {name}
        out = jax.eval_shape(call, model, subject.example(sizes, 0))
        assert out.shape == subject.out(sizes)
        assert out.dtype.name == ("float32" if subject.logits else name)


@EACH
def test_half_precision_is_near_single(subject: Subject) -> None:
    sizes = subject.sizes[0]
    x = subject.example(sizes, 0)
    model = subject.model(sizes)
    halved = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), model)
    got, want = RUN["with_jit"](halved, x), RUN["with_jit"](model, x)
    np.testing.assert_allclose(np.float32(got), want, rtol=0.05, atol=0.05)


@EACH
def test_a_model_is_a_pytree_of_floating_point_arrays(subject: Subject) -> None:
    model = subject.model(subject.sizes[0])
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(model))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(model))
    assert jax.tree.structure(model) == jax.tree.structure(subject.make(subject.sizes[0], None))
    hash(jax.tree.structure(model))


@EACH
def test_keys_decide(subject: Subject) -> None:
    """Equal keys give equal models."""
    sizes = subject.sizes[0]
    leaves, again = (jax.tree.leaves(subject.make(sizes, None)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(leaves, again, strict=True))


@EACH
def test_nothing_is_mixed_silently(subject: Subject, strict_promotion: None) -> None:
    for sizes in subject.sizes:
        made = jax.eval_shape(lambda sizes=sizes: subject.make(sizes, "bfloat16"))
        jax.eval_shape(call, made, subject.example(sizes, 0))


def test_the_kit_finds_nothing() -> None:
    subject = next(each for each in SUBJECTS if each.name == "mlp")
    sizes = subject.sizes[-1]
    model = subject.model(sizes)
    drawn = st.integers(0, 99).map(lambda seed: ((model, subject.example(sizes, seed)), {}))
    report = check_function(call, drawn, max_examples=1, ignore=["x64"])
    assert report.ok, str(report)
