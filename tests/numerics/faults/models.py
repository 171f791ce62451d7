"""Sound models: training steps and layers as they are written every day, with nothing to find."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults.case import stable
from tests.numerics.faults.data import f32, normal


def _layers(*sizes, seed=0):
    pairs = pairwise(sizes)
    return [
        {"w": normal(n, m, seed=seed + i, scale=n**-0.5), "b": normal(m, seed=90 + i, scale=0.1)}
        for i, (n, m) in enumerate(pairs)
    ]


def _mlp(params, x):
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


# A step of Adam well into training: relu's dead units, dots whose elements cancel at random, and
# second moments of 1e-6 are all ordinary.
@stable(args=lambda: _adam_state(), of=jax.jit)
def mlp_step_with_adam(params, moments, batch):
    def loss(params):
        x, y = batch
        return jnp.mean((_mlp(params, x) - y) ** 2)

    def update(w, m, v, g):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        return w - 1e-3 * (m / (1 - 0.9**50)) / (jnp.sqrt(v / (1 - 0.999**50)) + 1e-8)

    value, grads = jax.value_and_grad(loss)(params)
    return value, jax.tree.map(update, params, *moments, grads)


def _adam_state():
    params = _layers(8, 32, 32, 1)
    first = jax.tree.map(lambda w: np.full_like(w, 1e-2), params)
    second = jax.tree.map(lambda w: np.full_like(w, 1e-4), params)
    return params, (first, second), (normal(32, 8, seed=7), normal(32, 1, seed=8))


# A pre-norm transformer block with a causal mask, and the gradient of all of its weights.
@stable(args=lambda: (_block(16), normal(8, 16, seed=9)), of=lambda f: jax.jit(jax.grad(f)))
def transformer_block(params, x):
    def norm(x, gain):
        centred = x - x.mean(-1, keepdims=True)
        return gain * centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)

    q, k, v = jnp.split(norm(x, params["gain"]) @ params["qkv"], 3, axis=-1)
    scores = jnp.where(jnp.tril(jnp.ones((8, 8), bool)), q @ k.T / 4.0, -jnp.inf)
    x = x + jax.nn.softmax(scores) @ v @ params["out"]
    x = x + jax.nn.gelu(norm(x, params["gain"]) @ params["up"]) @ params["down"]
    return jnp.mean(jax.nn.logsumexp(x, axis=-1) - x[:, 0])


def _block(n):
    shapes = {"qkv": (n, 3 * n), "out": (n, n), "up": (n, 2 * n), "down": (2 * n, n)}
    weights = {k: normal(*s, seed=i, scale=n**-0.5) for i, (k, s) in enumerate(shapes.items())}
    return weights | {"gain": np.ones(n, f32)}


# 100 steps of a tanh cell, which forgets its rounding errors, and the gradient through them.
@stable(args=lambda: (_cell(12), normal(100, 12, seed=4)), of=lambda f: jax.jit(jax.grad(f)))
def recurrent_net(params, inputs):
    def step(h, x):
        h = jnp.tanh(h @ params["hidden"] + x @ params["input"])
        return h, h

    _, states = lax.scan(step, jnp.zeros_like(inputs[0]), inputs)
    return jnp.mean(states**2)


def _cell(n):
    return {
        "hidden": normal(n, n, seed=1, scale=0.5 * n**-0.5),
        "input": normal(n, n, seed=2, scale=n**-0.5),
    }


# Dropout: the mask is made of random bits, and half of the activations are exact zeros.
@stable(
    args=lambda: (_layers(8, 32, 4), normal(16, 8, seed=3), jax.random.key(1)),
    of=lambda f: jax.jit(jax.grad(f)),
)
def dropout_net(params, x, key):
    hidden = jax.nn.relu(x @ params[0]["w"] + params[0]["b"])
    kept = jax.random.bernoulli(key, jnp.float32(0.5), hidden.shape)
    hidden = jnp.where(kept, hidden / 0.5, 0.0)
    out = hidden @ params[1]["w"] + params[1]["b"]
    return jnp.mean(jnp.abs(out))


# Convolution, pooling by maxima and a dense layer: gradients through window reductions.
@stable(args=lambda: (_filters(), normal(4, 8, 8, 1, seed=6)), of=lambda f: jax.jit(jax.grad(f)))
def conv_net(params, images):
    numbers = ("NHWC", "HWIO", "NHWC")
    maps = lax.conv_general_dilated(
        images, params["filters"], (1, 1), "SAME", dimension_numbers=numbers
    )
    maps = jax.nn.relu(maps)
    window = (1, 2, 2, 1)
    pooled = lax.reduce_window(maps, -jnp.inf, lax.max, window, window, "VALID")
    logits = pooled.reshape(4, -1) @ params["dense"]
    return -jnp.mean(jax.nn.log_softmax(logits)[:, 0])


def _filters():
    return {"filters": normal(3, 3, 1, 4, scale=0.3), "dense": normal(64, 5, scale=0.1)}


# Rematerialised layers and a clip of the global norm (a rule of its own for the backward pass).
@stable(args=lambda: (_layers(8, 16, 16, 4), normal(8, 8)), of=lambda f: jax.jit(jax.grad(f)))
def remat_net(params, x):
    @jax.custom_vjp
    def clipped(x):
        return x

    def forward(x):
        return x, None

    def backward(_, g):
        norm = jnp.sqrt(jnp.sum(g * g))
        return (g * jnp.minimum(1.0, 0.01 / jnp.maximum(norm, 1e-12)),)

    clipped.defvjp(forward, backward)
    for layer in params:
        x = jax.checkpoint(lambda x, w, b: jnp.tanh(x @ w + b))(x, layer["w"], layer["b"])
    return jnp.sum(clipped(x) ** 2)


# Batch norm in training, with its running averages, and an embedding lookup with repeats.
@stable(
    args=lambda: (normal(10, 8), np.arange(24) % 7, np.zeros(8, f32)),
    of=lambda f: jax.jit(jax.value_and_grad(f, has_aux=True)),
)
def embedding_with_batch_norm(table, tokens, running):
    x = table[tokens]
    mean, variance = x.mean(0), x.var(0)
    normalised = (x - mean) / jnp.sqrt(variance + 1e-5)
    loss = jnp.mean(jax.nn.softplus(normalised * jnp.arange(1.0, 9.0, dtype=x.dtype)))
    return loss, 0.9 * running + 0.1 * mean
