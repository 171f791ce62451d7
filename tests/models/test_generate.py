"""What a Transformer makes up: the likeliest tokens, or as likely as its logits say."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxkit
from jaxkit.models import Transformer, generate
from tests.models.subjects import KEY

pytestmark = pytest.mark.usefixtures("cheap_compilation")

V, CONTEXT = 7, 12
MODEL = jax.jit(lambda: jax.tree.map(lambda x: 8 * x, Transformer(V, 8, 2, 2, CONTEXT, key=KEY)))()
PROMPT = np.array([3, 1, 4], np.int32)


@settings(max_examples=10)
@given(st.lists(st.integers(0, V - 1), min_size=3, max_size=3))
def test_greedy_is_the_likeliest_each_time(prompt: list[int]) -> None:
    made = np.asarray(generate(MODEL, np.array(prompt, np.int32), 10))
    tokens = np.concatenate([prompt, made])
    logits = np.asarray(MODEL(tokens[:-1]))
    chosen = logits[np.arange(2, 12), made]
    np.testing.assert_allclose(chosen, logits[2:].max(axis=-1), atol=1e-5)


def test_one_program_for_prompts_keys_and_temperatures() -> None:
    limited = jaxkit.max_compiles(generate, n=1)
    for seed, temperature in ((0, 0.0), (1, 1.0), (2, 0.3), (3, jnp.float32(2.0))):
        prompt = (PROMPT + seed) % V
        limited(MODEL, prompt, 4, key=jax.random.key(seed), temperature=temperature)
    limited(MODEL, jnp.asarray(PROMPT), 4)


def test_the_first_tokens_do_not_depend_on_how_many_there_are() -> None:
    key = jax.random.key(5)
    long = generate(MODEL, PROMPT, 10, key=key, temperature=1.0)
    for n in (1, 4):
        np.testing.assert_array_equal(
            generate(MODEL, PROMPT, n, key=key, temperature=1.0), long[:n]
        )
    assert long.dtype == jnp.int32


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tokens_are_as_likely_as_the_logits_say(temperature: float) -> None:
    """Frequencies of the first token: Pearson's statistic beside its 99.9% point, 6 degrees."""
    times = 4000
    keys = jax.random.split(jax.random.key(1), times)
    drawn = jax.vmap(lambda key: generate(MODEL, PROMPT, 1, key=key, temperature=temperature))(keys)
    expected = times * np.asarray(jax.nn.softmax(MODEL(PROMPT)[-1] / temperature), np.float64)
    counts = np.bincount(np.ravel(drawn), minlength=V)
    assert np.sum((counts - expected) ** 2 / expected) < 22.46


@pytest.mark.parametrize("temperature", [1e-6, 1e-38])
def test_nearly_no_temperature_is_greedy(temperature: float) -> None:
    made = generate(MODEL, PROMPT, 10, key=KEY, temperature=temperature)
    np.testing.assert_array_equal(made, generate(MODEL, PROMPT, 10))


def test_a_batch_by_vmap() -> None:
    prompts = np.stack([PROMPT, (PROMPT + 1) % V])
    both = jax.vmap(lambda prompt: generate(MODEL, prompt, 4))(prompts)
    for prompt, made in zip(prompts, both, strict=True):
        np.testing.assert_array_equal(made, generate(MODEL, prompt, 4))


def test_under_jit() -> None:
    made = jax.jit(lambda model, prompt: generate(model, prompt, 4))(MODEL, PROMPT)
    np.testing.assert_array_equal(made, generate(MODEL, PROMPT, 4))


def test_the_whole_context_and_one_more() -> None:
    assert generate(MODEL, PROMPT, CONTEXT - 2).shape == (CONTEXT - 2,)
    with pytest.raises(ValueError) as caught:
        generate(MODEL, PROMPT, CONTEXT - 1)
    assert str(caught.value) == (
        "prompt and n must go into the model's context=12, and one token more, got a prompt of 3 "
        "and n=11: n can be 10 at most"
    )


def test_a_broken_model_is_no_source_of_tokens() -> None:
    broken = jax.tree.map(lambda x: x * jnp.nan, MODEL)
    with pytest.raises(jaxkit.NonFiniteError) as caught:
        generate(broken, PROMPT, 4)
    assert str(caught.value) == (
        "the model's logits for token 0 after the prompt are NaN: its parameters are not finite, "
        "or its numbers leave their range; jaxkit.nan_origin(model)(prompt) says where"
    )
    assert [each.kind for each in caught.value.report.findings] == ["nan-logits"]
    assert (jax.jit(lambda model: generate(model, PROMPT, 4))(broken) == -1).all()


def test_messages() -> None:
    with pytest.raises(ValueError) as caught:
        generate(MODEL, PROMPT, 3, temperature=0.8)
    assert str(caught.value) == (
        "temperature must be 0 where there is no key, got temperature=0.8: give "
        "key=jax.random.key(0) to sample"
    )
    for temperature in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError) as caught:
            generate(MODEL, PROMPT, 3, key=KEY, temperature=temperature)
        assert str(caught.value) == (
            f"temperature must be finite and 0 or more, got temperature={temperature}"
        )
    with pytest.raises(ValueError) as caught:
        generate(MODEL, PROMPT, 0)
    assert str(caught.value) == "n must be a positive integer, got n=0"
    with pytest.raises(ValueError) as caught:
        generate(MODEL, PROMPT[:0], 1)
    assert str(caught.value) == "prompt must have shape (time,), got (0,)"
    with pytest.raises(ValueError) as caught:
        generate(MODEL, np.array([0, 7]), 1)
    assert str(caught.value) == (
        "prompt must be from 0 to 6, the model's vocabulary=7, got prompt[1]=7"
    )
    for what, name in (({}, "dict"), (None, "NoneType")):
        with pytest.raises(TypeError) as caught:
            generate(what, PROMPT, 3)  # type: ignore[arg-type]
        assert str(caught.value) == (
            f"model must be a jaxkit.models.Transformer, got model of type {name}"
        )
    with pytest.raises(TypeError) as caught:
        generate(MODEL, PROMPT, 1, key=3, temperature=1.0)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "key must be one PRNG key, such as jax.random.key(0), got key=3 of type int"
    )


@pytest.mark.parametrize(
    ("temperature", "message"),
    [
        ("hot", "a number, got temperature='hot' of type str"),
        (None, "a number, got temperature=None of type NoneType"),
        (1j, "a number, got temperature=1j of type complex"),
        (
            np.ones(2, np.float32),
            (
                "one real number, got an array of dtype float32 and shape (2,): for several, "
                "jax.vmap over generate"
            ),
        ),
    ],
)
def test_temperatures(temperature: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        generate(MODEL, PROMPT, 3, key=KEY, temperature=temperature)
    assert str(caught.value) == f"temperature must be {message}"


def test_several_temperatures_by_vmap() -> None:
    temperatures = jnp.array([0.0, 1.0])
    both = jax.vmap(lambda t: generate(MODEL, PROMPT, 4, key=KEY, temperature=t))(temperatures)
    np.testing.assert_array_equal(both[0], generate(MODEL, PROMPT, 4))
    np.testing.assert_array_equal(both[1], generate(MODEL, PROMPT, 4, key=KEY, temperature=1.0))


def test_a_traced_prompt_that_is_not_of_the_vocabulary() -> None:
    prompts = np.stack([PROMPT, PROMPT + V])
    both = jax.vmap(lambda prompt: generate(MODEL, prompt, 4))(prompts)
    np.testing.assert_array_equal(both, np.stack([generate(MODEL, PROMPT, 4), np.full(4, -1)]))


def test_a_jitted_step() -> None:
    cache = MODEL.empty_cache()
    logits, after = eqx.filter_jit(MODEL.step)(PROMPT[0], cache)
    np.testing.assert_allclose(logits, MODEL.step(PROMPT[0], cache)[0], atol=1e-5)
    assert int(after.position) == 1
