"""Tokens that a Transformer makes up."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxkit.errors import NonFiniteError
from jaxkit.models._checks import as_tokens, check_key, check_size
from jaxkit.models.transformer import Transformer
from jaxkit.report import Finding, Report

__all__ = ["generate"]


def generate(
    model: Transformer,
    prompt: Int[Array, " time"],
    n: int,
    *,
    key: PRNGKeyArray | None = None,
    temperature: float | Float[Array, ""] = 0.0,
) -> Int[Array, " n"]:
    """Goes on from a prompt, token by token.

    It is one compiled program for all prompts of one length, keys and temperatures: the prompt in
    one go, and then a `jax.lax.scan` over the model's cache. For several prompts of one length:
    `jax.vmap(lambda prompt, key: generate(model, prompt, n, key=key, temperature=1.0))`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxkit.models import Transformer
        >>> model = Transformer(
        ...     vocabulary=5, width=8, depth=1, heads=2, context=16, key=jax.random.key(0)
        ... )
        >>> prompt = jnp.array([0, 1, 2])
        >>> greedy = generate(model, prompt, 4)
        >>> bool(greedy[0] == jnp.argmax(model(prompt)[-1]))
        True
        >>> generate(model, prompt, 4, key=jax.random.key(1), temperature=0.8).shape
        (4,)

    Args:
        model: The model.
        prompt: i[time], at least one token.
        n: How many tokens to make; with the prompt at most one more than `model.context`.
        key: For the random numbers. Needed where the temperature is not 0. The first tokens do not
            depend on how many there are to be.
        temperature: What logits are divided by before they are made probabilities: below 1 the
            likely is more likely, above 1 less. At 0 the likeliest token is taken, the first of
            several.

    Returns:
        i32[n], the tokens after the prompt. Where everything is traced, and logits are NaN, -1: as
        after a prompt that is not of the vocabulary.

    Raises:
        ValueError: A prompt that is empty or not of the vocabulary, too many tokens, a temperature
            that is negative or NaN, or no key where one is needed.
        TypeError: No Transformer, no integers, no number, or `key` is no key.
        NonFiniteError: The model's logits are NaN.
    """
    _check_model(model)
    prompt = as_tokens(prompt, model.vocabulary, most=model.context, name="prompt")
    n = check_size("n", n)
    if prompt.shape[0] + n > model.context + 1:
        raise ValueError(
            f"prompt and n must go into the model's context={model.context}, and one token more, "
            f"got a prompt of {prompt.shape[0]} and n={n}: n can be "
            f"{model.context + 1 - prompt.shape[0]} at most"
        )
    _check_temperature(temperature, key)
    some_key = jax.random.key(0) if key is None else check_key(key)
    tokens = _decode(model, prompt, n, some_key, jnp.asarray(temperature, jnp.float32))
    if not isinstance(tokens, Tracer):
        _check_numbers(tokens)
    return tokens


@eqx.filter_jit
def _decode(
    model: Transformer, prompt: jax.Array, n: int, key: PRNGKeyArray, temperature: jax.Array
) -> jax.Array:
    def following(logits: jax.Array, i: int | jax.Array) -> jax.Array:
        return _sample(logits, jax.random.fold_in(key, i), temperature)

    def turn(carry: tuple[jax.Array, Any], i: jax.Array) -> Any:
        logits, cache = model.step(*carry)
        token = following(logits, i)
        return (token, cache), token

    logits, cache = model.extend(prompt, model.empty_cache())
    first = following(logits[-1], 0)
    _, rest = jax.lax.scan(turn, (first, cache), jnp.arange(1, n))
    return jnp.concatenate([first[None], rest])


def _sample(logits: jax.Array, key: PRNGKeyArray, temperature: jax.Array) -> jax.Array:
    """A token by its logits; -1 where they are NaN.

    Args:
        logits: f[vocabulary].
        key: For the random numbers.
        temperature: f[], 0 for the likeliest.
    """
    greedy = temperature == 0
    # The largest becomes 0 first: whatever the temperature, the quotient of one of them is finite.
    scaled = (logits - jnp.max(logits)) / jnp.where(greedy, 1, temperature).astype(logits.dtype)
    drawn = jax.random.categorical(key, scaled)
    token = jnp.where(greedy, jnp.argmax(logits), drawn)
    return jnp.where(jnp.isnan(logits).any(), -1, token).astype(jnp.int32)


def _check_model(model: Any) -> None:
    # Not the class: a model that wraps one will do.
    if any(not hasattr(model, name) for name in ("vocabulary", "context", "empty_cache", "step")):
        raise TypeError(
            f"model must be a jaxkit.models.Transformer, got model of type {type(model).__name__}"
        )


def _check_temperature(temperature: Any, key: Any) -> None:
    if not eqx.is_array_like(temperature) or isinstance(temperature, complex):
        raise TypeError(
            f"temperature must be a number, got temperature={temperature!r} of type "
            f"{type(temperature).__name__}"
        )
    if jnp.shape(temperature) or jnp.iscomplexobj(temperature):
        raise TypeError(
            "temperature must be one real number, got an array of dtype "
            f"{jnp.result_type(temperature)} and shape {jnp.shape(temperature)}: for several, "
            "jax.vmap over generate"
        )
    if isinstance(temperature, Tracer):
        known = True
    else:
        value = float(temperature)
        if not 0 <= value < math.inf:
            raise ValueError(
                f"temperature must be finite and 0 or more, got temperature={temperature!r}"
            )
        known = value != 0
    if known and key is None:
        raise ValueError(
            "temperature must be 0 where there is no key, got "
            f"temperature={temperature!r}: give key=jax.random.key(0) to sample"
        )


def _check_numbers(tokens: jax.Array) -> None:
    missing = tokens < 0
    if not missing.any():
        return
    at = int(jnp.argmax(missing))
    message = (
        f"the model's logits for token {at} after the prompt are NaN: its parameters are not "
        "finite, or its numbers leave their range; jaxkit.nan_origin(model)(prompt) says where"
    )
    finding = Finding("nan-logits", "error", message, data={"token": at})
    raise NonFiniteError(Report("generate", [finding]), message)
