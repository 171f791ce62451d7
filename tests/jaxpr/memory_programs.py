"""Programs of many forms whose memory XLA tells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from tests.jaxpr.programs import PROGRAMS as KNOWN
from tests.jaxpr.programs import f32, i32

Program = tuple[Callable[..., Any], tuple[Any, ...]]
PROGRAMS: dict[str, Callable[[], Program]] = {}


def program(make: Callable[[], Program]) -> Callable[[], Program]:
    PROGRAMS[make.__name__] = make
    return make


@program
def elementwise_chain() -> Program:
    return lambda x: jnp.tanh(jnp.sin(x) * 2 + x) ** 2, (f32(256, 1024),)


@program
def mlp() -> Program:
    def net(ws: Any, x: Any) -> Any:
        for w in ws:
            x = jax.nn.relu(x @ w)
        return x

    return net, ([f32(256, 256)] * 4, f32(1024, 256))


@program
def mlp_gradient() -> Program:
    def loss(ws: Any, x: Any) -> Any:
        for w in ws:
            x = jnp.tanh(x @ w)
        return jnp.mean(x**2)

    return jax.grad(loss), ([f32(256, 256)] * 6, f32(1024, 256))


@program
def attention() -> Program:
    def block(q: Any, k: Any, v: Any) -> Any:
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / 8
        return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)

    return block, (f32(4, 256, 4, 64),) * 3


@program
def attention_gradient() -> Program:
    fun, args = attention()
    return jax.grad(lambda *args: jnp.sum(fun(*args) ** 2), (0, 1, 2)), args


@program
def layer_norm() -> Program:
    def norm(x: Any, scale: Any) -> Any:
        mean = x.mean(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-6) * scale

    return norm, (f32(1024, 512), f32(512))


@program
def softmax_cross_entropy() -> Program:
    def loss(logits: Any, labels: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return jax.value_and_grad(loss), (f32(512, 4096), i32(512))


@program
def lstm() -> Program:
    def run(xs: Any, wx: Any, wh: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(x @ wx + h @ wh, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        start = jnp.zeros((xs.shape[1], wh.shape[0]))
        return lax.scan(step, (start, start), xs)

    return run, (f32(64, 128, 64), f32(64, 4 * 128), f32(128, 4 * 128))


@program
def scan_gradient() -> Program:
    fun, _, _ = KNOWN["scan_over_layers"]()
    return fun, (f32(8, 256, 256), f32(512, 256))


@program
def scan_with_remat() -> Program:
    def loss(ws: Any, x: Any) -> Any:
        @jax.checkpoint
        def layer(x: Any, w: Any) -> Any:
            hidden = jnp.tanh(x @ w)
            return jnp.sin(hidden @ w.T), None

        return jnp.sum(lax.scan(layer, x, ws)[0] ** 2)

    return jax.grad(loss), (f32(8, 256, 512), f32(512, 256))


@program
def convnet() -> Program:
    fun, _, _ = KNOWN["convnet"]()
    return fun, (f32(32, 28, 28, 1), f32(3, 3, 1, 8), f32(3, 3, 8, 16), f32(16, 10))


@program
def adam_step() -> Program:
    tx = optax.adam(1e-3)
    w = [f32(512, 512)] * 3
    state = jax.eval_shape(tx.init, w)

    def step(w: Any, state: Any, x: Any) -> Any:
        def loss(w: Any) -> Any:
            y = x
            for each in w:
                y = jax.nn.relu(y @ each)
            return jnp.mean(y**2)

        grads = jax.grad(loss)(w)
        updates, state = tx.update(grads, state)
        return optax.apply_updates(w, updates), state

    return step, (w, state, f32(256, 512))


@program
def adam_step_donated() -> Program:
    fun, args = adam_step()
    return jax.jit(fun, donate_argnums=(0, 1)), args


@program
def embedding() -> Program:
    def loss(table: Any, ids: Any) -> Any:
        return jnp.sum(table[ids] ** 2)

    return jax.grad(loss), (f32(10_000, 64), i32(512))


@program
def pairwise_distances() -> Program:
    def distances(x: Any, y: Any) -> Any:
        return jnp.sqrt(jnp.sum((x[:, None] - y[None]) ** 2, -1))

    return distances, (f32(512, 16), f32(512, 16))


@program
def gaussian_process() -> Program:
    def predict(x: Any, y: Any, new: Any) -> Any:
        def kernel(a: Any, b: Any) -> Any:
            squares = jnp.sum(a**2, -1)[:, None] + jnp.sum(b**2, -1) - 2 * a @ b.T
            return jnp.exp(-squares)

        noisy = kernel(x, x) + jnp.eye(x.shape[0])
        factor = jax.scipy.linalg.cho_factor(noisy, lower=True)
        return kernel(new, x) @ jax.scipy.linalg.cho_solve(factor, y)

    return predict, (f32(512, 8), f32(512), f32(128, 8))


@program
def while_loop() -> Program:
    def run(x: Any) -> Any:
        return lax.while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, jnp.tanh(s[1] @ x)), (0, x))

    return run, (f32(512, 512),)


@program
def branches() -> Program:
    def run(on: Any, x: Any) -> Any:
        return lax.cond(on, lambda x: (x @ x) @ (x.T @ x), lambda x: x, x)

    return run, (jax.ShapeDtypeStruct((), jnp.bool_), f32(512, 512))


@program
def per_example_gradients() -> Program:
    fun, _, _ = KNOWN["per_example_gradients"]()
    return fun, (f32(128, 128), f32(64, 128))


@program
def many_outputs() -> Program:
    return lambda x: [jnp.sin(x * i) for i in range(5)], (f32(512, 512),)


@program
def moe() -> Program:
    fun, _, _ = KNOWN["moe_one_hot"]()
    return fun, (f32(256, 64), f32(256, 8, 64), f32(8, 64, 128))


@program
def sorting() -> Program:
    return lambda x: jnp.sort(x)[jnp.argsort(x)], (f32(1 << 18),)


@program
def associative_scan() -> Program:
    return partial(lax.associative_scan, lambda a, b: a @ b), (f32(256, 32, 32),)
