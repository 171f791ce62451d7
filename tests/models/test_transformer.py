"""Laws of the Transformer: causality, padding, the cache, and what is not silently wrong."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxkit
from jaxkit.models import Transformer
from tests.models.subjects import KEY

pytestmark = pytest.mark.usefixtures("cheap_compilation")

V, CONTEXT = 7, 8
# Weights large enough for every token to matter.
MODEL = jax.jit(lambda: jax.tree.map(lambda x: 5 * x, Transformer(V, 8, 2, 2, CONTEXT, key=KEY)))()
FULL = jax.jit(lambda model, tokens: model(tokens))
STEP = jax.jit(lambda model, token, cache: model.step(token, cache))
EXTEND = jax.jit(lambda model, tokens, cache: model.extend(tokens, cache))

sequences = st.lists(st.integers(0, V - 1), min_size=CONTEXT, max_size=CONTEXT).map(np.int32)


def near(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@settings(max_examples=30)
@given(sequences, st.integers(0, CONTEXT - 1), st.integers(1, V - 1))
def test_causality(tokens: np.ndarray, at: int, by: int) -> None:
    """A token that changes changes no logits before it, and those of its own place."""
    changed = tokens.copy()
    changed[at] = (changed[at] + by) % V
    before, after = np.asarray(FULL(MODEL, tokens)), np.asarray(FULL(MODEL, changed))
    np.testing.assert_array_equal(before[:at], after[:at])
    assert np.abs(before[at] - after[at]).max() > 1e-4


@settings(max_examples=30)
@given(sequences, st.integers(0, CONTEXT - 2), st.data())
def test_all_before_is_seen(tokens: np.ndarray, at: int, data: st.DataObject) -> None:
    """And in its order: the last logits depend on every token, and on where it stands."""
    other = data.draw(st.integers(at + 1, CONTEXT - 1))
    swapped = tokens.copy()
    swapped[[at, other]] = tokens[[other, at]]
    gap = np.abs(np.asarray(FULL(MODEL, tokens) - FULL(MODEL, swapped))[-1]).max()
    assert (gap > 0) == (tokens[at] != tokens[other])


@settings(max_examples=20)
@given(sequences, st.sampled_from([3, 5]))
def test_trailing_tokens_are_padding(tokens: np.ndarray, real: int) -> None:
    padded = tokens.copy()
    padded[real:] = 0
    near(FULL(MODEL, padded)[:real], FULL(MODEL, tokens)[:real])
    near(FULL(MODEL, tokens[:real]), FULL(MODEL, tokens)[:real])


@settings(max_examples=20)
@given(sequences)
def test_the_cache_is_the_full_pass(tokens: np.ndarray) -> None:
    cache = MODEL.empty_cache()
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), cache)
    rows = []
    for token in tokens:
        logits, cache = STEP(MODEL, token, cache)
        rows.append(logits)
        assert jax.tree.map(lambda x: (x.shape, x.dtype), cache) == shapes
    near(rows, FULL(MODEL, tokens))
    assert (int(cache.position), bool(cache.valid)) == (CONTEXT, True)


@settings(max_examples=20)
@given(sequences, st.sampled_from([3, 5]))
def test_several_tokens_at_once(tokens: np.ndarray, first: int) -> None:
    some, cache = EXTEND(MODEL, tokens[:first], MODEL.empty_cache())
    rest, cache = EXTEND(MODEL, tokens[first:], cache)
    near(jnp.concatenate([some, rest]), FULL(MODEL, tokens))
    assert int(cache.position) == CONTEXT


@settings(max_examples=10)
@given(sequences, st.integers(0, CONTEXT - 2))
def test_what_a_cache_holds_beyond_its_position_is_not_seen(tokens: np.ndarray, n: int) -> None:
    _, cache = EXTEND(MODEL, tokens, MODEL.empty_cache())
    back = type(cache)(cache.keys, cache.values, jnp.int32(n), cache.valid)
    logits, _ = STEP(MODEL, tokens[n], back)
    near(logits, FULL(MODEL, tokens)[n])


def test_one_program_for_all_steps() -> None:
    step = jaxkit.max_compiles(jax.jit(lambda model, token, cache: model.step(token, cache)), n=1)
    cache = MODEL.empty_cache()
    for token in jnp.arange(6) % V:
        _, cache = step(MODEL, token, cache)


def test_one_block_is_compiled_however_many_there_are() -> None:
    sizes = []
    for depth in (2, 20):
        model = jax.eval_shape(lambda depth=depth: Transformer(V, 8, depth, 2, 8, key=KEY))
        program = jaxkit.inspect(lambda model, tokens: model(tokens), lints=[])
        sizes.append(len(program(model, jnp.zeros(4, int)).sites))
    assert sizes[0] == sizes[1]


def test_a_batch_of_caches() -> None:
    tokens = np.random.default_rng(0).integers(0, V, size=(3, 4)).astype(np.int32)
    caches = jax.vmap(lambda _: MODEL.empty_cache())(jnp.arange(3))
    step = jax.jit(jax.vmap(MODEL.step))
    for t in range(4):
        logits, caches = step(tokens[:, t], caches)
    near(logits, jax.vmap(MODEL)(tokens)[:, -1])


@settings(max_examples=20)
@given(sequences, st.integers(0, CONTEXT - 1), st.sampled_from([-1, V, 10**6]))
def test_an_unknown_token_is_never_the_nearest_one(tokens: np.ndarray, at: int, bad: int) -> None:
    """Traced, it makes NaN of its own logits and of all after it, and of none before."""
    wrong = tokens.copy()
    wrong[at] = bad
    got = np.asarray(FULL(MODEL, wrong))
    assert np.isnan(got[at:]).all()
    np.testing.assert_array_equal(got[:at], FULL(MODEL, tokens)[:at])
    by_cache, cache = EXTEND(MODEL, wrong, MODEL.empty_cache())
    np.testing.assert_array_equal(np.isnan(by_cache), np.isnan(got))
    assert not cache.valid
    assert jnp.isnan(STEP(MODEL, 0, type(cache)(*cache_parts(cache, position=2)))[0]).all()


def cache_parts(cache: Any, position: int) -> Any:
    return cache.keys, cache.values, jnp.int32(position), cache.valid


def test_a_full_cache_says_so() -> None:
    tokens = np.zeros(CONTEXT, np.int32)
    _, cache = EXTEND(MODEL, tokens, MODEL.empty_cache())
    logits, after = STEP(MODEL, 0, cache)
    assert jnp.isnan(logits).all()
    assert not after.valid
    with pytest.raises(ValueError) as caught:
        MODEL.step(0, cache)
    assert str(caught.value) == (
        "the cache has room for context=8 tokens, got 1 more after 8: begin again with "
        "empty_cache(), or make the model with a larger context"
    )


def test_the_first_loss_is_that_of_knowing_nothing() -> None:
    model = jax.jit(lambda: Transformer(65, 64, 4, 4, 32, key=KEY))()
    tokens = np.random.default_rng(0).integers(0, 65, size=(16, 33)).astype(np.int32)
    logits = jax.nn.log_softmax(jax.jit(jax.vmap(model))(tokens[:, :-1]))
    loss = -jnp.mean(jnp.take_along_axis(logits, tokens[:, 1:, None], axis=-1))
    np.testing.assert_allclose(loss, np.log(65), rtol=0.02)


def test_narrow_integers_are_tokens() -> None:
    model = jax.jit(lambda: Transformer(300, 4, 1, 1, 8, key=KEY))()
    tokens = np.array([3, 255, 128])
    np.testing.assert_array_equal(model(tokens.astype(np.uint8)), model(tokens))
