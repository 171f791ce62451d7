"""A training step of the size of GPT-2, to look at with `jaxkit inspect`; nothing is run.

    jaxkit inspect examples/gpt2_step.py:train_step --args-from arguments --report gpt2.html

The 124 million parameters are only described (`jax.ShapeDtypeStruct`), so that it needs no memory.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

VOCABULARY, CONTEXT, WIDTH, HEADS, LAYERS = 50257, 1024, 768, 12, 12
BATCH = 8

optimizer = optax.adamw(6e-4)


def normalize(x: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
    """Layer normalization."""
    x = x - x.mean(-1, keepdims=True)
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale + shift


def attention(x: jax.Array, weights: Any) -> jax.Array:
    """Causal attention of all heads."""
    batch, time, width = x.shape
    queries, keys, values = jnp.split(x @ weights["qkv"], 3, axis=-1)
    queries, keys, values = (
        each.reshape(batch, time, HEADS, width // HEADS) for each in (queries, keys, values)
    )
    scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) * (width // HEADS) ** -0.5
    mask = jnp.tril(jnp.ones((time, time), bool))
    chances = jax.nn.softmax(jnp.where(mask, scores, -1e9))
    mixed = jnp.einsum("bhqk,bkhd->bqhd", chances, values)
    return mixed.reshape(batch, time, width) @ weights["out"]


def mlp(x: jax.Array, weights: Any) -> jax.Array:
    """The two dense layers of a block."""
    hidden = jax.nn.gelu(x @ weights["up"] + weights["up_bias"])
    return hidden @ weights["down"] + weights["down_bias"]


def logits_of(parameters: Any, tokens: jax.Array) -> jax.Array:
    """What comes next, before the softmax."""
    with jax.named_scope("embed"):
        x = parameters["tokens"][tokens] + parameters["places"][: tokens.shape[1]]
    for i, layer in enumerate(parameters["layers"]):
        with jax.named_scope(f"layer{i}"):
            with jax.named_scope("attention"):
                x = x + attention(normalize(x, *layer["norm1"]), layer)
            with jax.named_scope("mlp"):
                x = x + mlp(normalize(x, *layer["norm2"]), layer)
    with jax.named_scope("head"):
        return normalize(x, *parameters["norm"]) @ parameters["tokens"].T


def loss_of(parameters: Any, tokens: jax.Array) -> jax.Array:
    """The mean cross entropy of the next tokens."""
    logits = logits_of(parameters, tokens[:, :-1])
    with jax.named_scope("loss"):
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:])
        return losses.mean()


def train_step(parameters: Any, state: Any, tokens: jax.Array) -> Any:
    """Forward, backward, update."""
    loss, gradients = jax.value_and_grad(loss_of)(parameters, tokens)
    with jax.named_scope("update"):
        updates, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss


def parameters_of() -> Any:
    """The shapes of all weights."""

    def array(*shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    def norm() -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        return array(WIDTH), array(WIDTH)

    layer = {
        "norm1": norm(),
        "norm2": norm(),
        "qkv": array(WIDTH, 3 * WIDTH),
        "out": array(WIDTH, WIDTH),
        "up": array(WIDTH, 4 * WIDTH),
        "up_bias": array(4 * WIDTH),
        "down": array(4 * WIDTH, WIDTH),
        "down_bias": array(WIDTH),
    }
    return {
        "tokens": array(VOCABULARY, WIDTH),
        "places": array(CONTEXT, WIDTH),
        "layers": [layer] * LAYERS,
        "norm": norm(),
    }


def arguments() -> tuple[Any, ...]:
    """What `train_step` takes, described."""
    parameters = parameters_of()
    tokens = jax.ShapeDtypeStruct((BATCH, CONTEXT + 1), jnp.int32)
    return parameters, jax.eval_shape(optimizer.init, parameters), tokens
