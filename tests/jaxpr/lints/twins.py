"""Functions with something wrong, on the line marked ``# bad``, and the same without it.

Longer than 400 lines, as it is a table: each case is a few lines, and one place has them all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import io_callback

from tests.jaxpr.lints.clean import key, struct


class Twin(NamedTuple):
    """A function, the kind of lint that it is about, and what to call it with.

    Attributes:
      bad: whether the lint must find something.
      derive: whether the same holds of its gradient by the first argument.
    """

    fun: Callable[..., Any]
    kind: str
    args: tuple[Any, ...]
    bad: bool
    derive: bool


TWINS: list[Twin] = []
x8, x64, m32 = struct(8), struct(64), struct(32, 32)
row, batch = struct(32), struct(8, 32)
low, low_batch = struct(2000, dtype=jnp.bfloat16), struct(8, 32, dtype=jnp.bfloat16)
BIG = np.ones((400, 400), np.float32)
BIG_BANK = jnp.ones((3, 256, 256))
SMALL = np.ones((8, 8), np.float32)


def bad(kind: str, *args: Any, derive: bool = False) -> Callable[[Any], Any]:
    return lambda fun: TWINS.append(Twin(fun, kind, args, True, derive)) or fun


def fixed(kind: str, *args: Any, derive: bool = True) -> Callable[[Any], Any]:
    return lambda fun: TWINS.append(Twin(fun, kind, args, False, derive)) or fun


# large-constant


@bad("large-constant", struct(400), derive=True)
def captured_weights(x):
    return jnp.tanh(x @ BIG)  # bad


@bad("large-constant", struct(3, 256))
def captured_in_scan(x):
    def step(h, w):
        return jnp.tanh(w @ h), None

    return lax.scan(step, x[0], BIG_BANK)[0]  # bad


@bad("large-constant", struct(5, dtype=jnp.int32))
def captured_data(indices):
    batch = jnp.asarray(BIG)[indices]  # bad
    return batch.mean()


@fixed("large-constant", struct(400), struct(400, 400))
def given_weights(x, w):
    return jnp.tanh(x @ w)


@fixed("large-constant", x8)
def captured_mask(x):
    return jnp.tanh(x @ SMALL)


@fixed("large-constant", struct(400))
def made_inside(x):
    return x @ jnp.tril(jnp.ones((400, 400)))


# host-callback-in-loop


@bad("host-callback-in-loop", x8, derive=True)
def prints_in_scan(x):
    def step(c, _):
        jax.debug.print("{}", c.sum())  # bad
        return c * 2, None

    return lax.scan(step, x, None, length=5)[0]


@bad("host-callback-in-loop", x8)
def calls_numpy_in_fori(x):
    def step(i, c):
        return c + jax.pure_callback(np.sin, jax.ShapeDtypeStruct((8,), jnp.float32), c)  # bad

    return lax.fori_loop(0, 10, step, x)


@bad("host-callback-in-loop", x8)
def logs_in_while(x):
    def step(c):
        io_callback(print, None, c[0])  # bad
        return c * 2

    return lax.while_loop(lambda c: c[0] < 100, step, x)


@fixed("host-callback-in-loop", x8)
def prints_after(x):
    out, norms = lax.scan(lambda c, _: (c * 2, c.sum()), x, None, length=5)
    jax.debug.print("{}", norms)
    return out


@fixed("host-callback-in-loop", x8)
def prints_now_and_then(x):
    def step(i, c):
        lax.cond(i % 100 == 0, lambda: jax.debug.print("{}", c[0]), lambda: None)
        return c * 2

    return lax.fori_loop(0, 1000, step, x)


@fixed("host-callback-in-loop", x8)
def prints_in_one_turn(x):
    def step(c, _):
        jax.debug.print("{}", c.sum())
        return c, None

    return lax.scan(step, x, None, length=1)[0]


# donation-unusable


@bad("donation-unusable", batch)
@functools.partial(jax.jit, donate_argnums=0)  # bad
def donates_to_a_sum(x):
    return x.sum()


@bad("donation-unusable", batch, batch)
@functools.partial(jax.jit, donate_argnums=(0, 1))  # bad
def donates_two_for_one(x, y):
    return x + y


@jax.jit
def _plain(x):
    return x * 2


_shrinks = jax.jit(lambda x: x[:4] * 2, donate_argnums=0)
_updates = jax.jit(lambda x: x * 2, donate_argnums=0)


@bad("donation-unusable", batch)
def calls_a_donating(x):
    return _shrinks(x * 2)  # bad


@fixed("donation-unusable", batch, batch, derive=False)
@functools.partial(jax.jit, donate_argnums=0)
def donates_the_state(x, y):
    return x + y, (x * y).sum()


@fixed("donation-unusable", batch)
def calls_an_update(x):
    return _updates(x * 2)


@fixed("donation-unusable", struct(), derive=False)
@functools.partial(jax.jit, donate_argnums=0)
def donates_a_number(x):
    return jnp.ones(3) * x


# key-reuse


@bad("key-reuse", key())
def two_draws(k):
    a = jax.random.normal(k, (3,))
    return a + jax.random.uniform(k, (3,))  # bad


@bad("key-reuse", struct(2, dtype=jnp.uint32))
def raw_key(k):
    mask = jax.random.bernoulli(k, 0.5, (3,))
    return mask * jax.random.normal(k, (3,))  # bad


@bad("key-reuse", key())
def draws_then_splits(k):
    a = jax.random.normal(k, (3,))
    k1, k2 = jax.random.split(k)  # bad
    return a + jax.random.normal(k1, (3,)) * jax.random.normal(k2, (3,))


@bad("key-reuse", x8, key())
def same_noise_each_turn(x, k):
    def step(c, _):
        return c * jax.random.normal(k, c.shape), None  # bad

    return lax.scan(step, x, None, length=10)[0]


@bad("key-reuse", x8, key())
def carries_the_key_along(x, k):
    def step(i, c):
        k, y = c
        noise = jax.random.normal(k, y.shape)  # bad
        return k, y + noise

    return lax.fori_loop(0, 10, step, (k, x))[1]


@bad("key-reuse", x8, key())
def dropout_twice(x, k):
    def dropout(x):
        return jnp.where(jax.random.bernoulli(k, 0.5, x.shape), x, 0)

    x = dropout(x)
    return dropout(x * 2)  # bad


@bad("key-reuse", key())
def same_part_twice(k):
    keys = jax.random.split(k, 3)
    a = jax.random.normal(keys[0], (3,))
    return a + jax.random.normal(keys[0], (3,))  # bad


@fixed("key-reuse", key())
def splits_first(k):
    k1, k2 = jax.random.split(k)
    return jax.random.normal(k1, (3,)) + jax.random.uniform(k2, (3,))


@fixed("key-reuse", x8, key())
def folds_in_the_turn(x, k):
    def step(c, i):
        return c * jax.random.normal(jax.random.fold_in(k, i), c.shape), None

    return lax.scan(step, x, jnp.arange(10))[0]


@fixed("key-reuse", x8, key())
def carries_a_new_key(x, k):
    def step(i, c):
        k, y = c
        k, sub = jax.random.split(k)
        return k, y + jax.random.normal(sub, y.shape)

    return lax.fori_loop(0, 10, step, (k, x))[1]


@fixed("key-reuse", key(), struct())
def one_branch_or_the_other(k, p):
    return lax.cond(p > 0, lambda: jax.random.normal(k), lambda: jax.random.uniform(k))


@fixed("key-reuse", x8, key())
def checkpointed_noise(x, k):
    @jax.checkpoint
    def layer(x):
        return jnp.tanh(x * jax.random.normal(k, x.shape))

    return layer(x)


@fixed("key-reuse", x8, key())
def keys_of_a_scan(x, k):
    def step(c, k):
        return c * jax.random.normal(k, c.shape), None

    return lax.scan(step, x, jax.random.split(k, 10))[0]


# log-of-softmax


@bad("log-of-softmax", batch, derive=True)
def log_softmax_by_hand(x):
    return -jnp.mean(jnp.log(jax.nn.softmax(x)))  # bad


@bad("log-of-softmax", batch, struct(8, dtype=jnp.int32), derive=True)
def nll_with_epsilon(x, labels):
    p = jax.nn.softmax(x, axis=-1)
    picked = jnp.take_along_axis(p, labels[:, None], axis=1)
    return -jnp.mean(jnp.log(picked + 1e-8))  # bad


@bad("log-of-softmax", batch, derive=True)
def own_softmax(x):
    e = jnp.exp(x - x.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return jnp.sum(p * jnp.log(p))  # bad


@bad("log-of-softmax", x8, derive=True)
def gan_loss(d):
    fake = 1 - jax.nn.sigmoid(d)
    return -jnp.mean(jnp.log(fake))  # bad


@bad("log-of-softmax", batch, derive=True)
def clipped(x):
    p = jnp.clip(jax.nn.softmax(x), 1e-7, 1.0)
    return -jnp.log(p).mean()  # bad


@fixed("log-of-softmax", batch)
def log_softmax(x):
    return -jnp.mean(jax.nn.log_softmax(x))


@fixed("log-of-softmax", batch)
def logsumexp(x):
    return jax.nn.logsumexp(x, axis=-1) - jnp.log(jnp.sum(jnp.exp(x), -1))


@fixed("log-of-softmax", batch)
def softmax_times_log(x):
    return jnp.sum(jax.nn.softmax(x) * jnp.log(1 + x**2))


@fixed("log-of-softmax", x8)
def gan_loss_of_logits(d):
    return -jnp.mean(jax.nn.log_sigmoid(-d))


# loop-invariant


@bad("loop-invariant", batch, m32)
def product_in_scan(x, w):
    def step(c, _):
        gram = w @ w.T  # bad
        return jnp.tanh(c @ gram), None

    return lax.scan(step, x, None, length=10)[0]


@bad("loop-invariant", row, m32)
def inverse_in_fori(x, a):
    def step(i, c):
        return c - jnp.linalg.inv(a) @ c  # bad

    return lax.fori_loop(0, 10, step, x)


@bad("loop-invariant", row, m32)
def factor_in_while(x, a):
    def step(c):
        factor = jnp.linalg.cholesky(a)  # bad
        return factor @ c

    return lax.while_loop(lambda c: c.sum() < 3, step, x)


@fixed("loop-invariant", batch, m32)
def product_before(x, w):
    gram = w @ w.T
    return lax.scan(lambda c, _: (jnp.tanh(c @ gram), None), x, None, length=10)[0]


@fixed("loop-invariant", struct(10, 32), m32)
def recurrent(xs, w):
    return lax.scan(lambda h, x: (jnp.tanh(h @ w + x @ w), None), xs[0], xs)[0]


@fixed("loop-invariant", batch, m32)
def small_and_cheap(x, w):
    return lax.scan(lambda c, _: (c @ (w.T * 2 + 1), None), x, None, length=10)[0]


# low-precision-accumulation


@bad("low-precision-accumulation", low)
def sum_in_loop(x):
    def step(i, total):
        return total + x[i]  # bad

    return lax.fori_loop(0, 2000, step, jnp.bfloat16(0))


@bad("low-precision-accumulation", low, derive=True)
def running_sum(x):
    return jnp.cumsum(x)  # bad


@bad("low-precision-accumulation", struct(2000), derive=True)
def sum_asked_in_bfloat16(x):
    return jnp.sum(x, dtype=jnp.bfloat16)  # bad


@bad("low-precision-accumulation", struct(4000, dtype=jnp.float16))
def loss_in_scan(xs):
    def step(total, x):
        total = total + x**2  # bad
        return total, None

    return lax.scan(step, jnp.float16(0), xs)[0]


@fixed("low-precision-accumulation", low)
def sum_in_float32(x):
    total = lax.fori_loop(0, 2000, lambda i, t: t + x[i].astype(jnp.float32), jnp.float32(0))
    return total.astype(jnp.bfloat16)


@fixed("low-precision-accumulation", low)
def plain_sum(x):
    return jnp.sum(x) + x.mean() + jnp.var(x)


@fixed("low-precision-accumulation", low_batch)
def residual_layers(x):
    return lax.scan(lambda h, _: (h + jnp.tanh(h), None), x, None, length=1000)[0]


@fixed("low-precision-accumulation", low)
def short_sum(x):
    return jnp.cumsum(x[:100])


# weak-type-output


@bad("weak-type-output", x8)
def signs(x):
    return jnp.where(x > 0, 1.0, -1.0)  # bad


@bad("weak-type-output", x8)
def counter(x):
    total = lax.fori_loop(0, 5, lambda i, c: c + 1.0, 0.0)  # bad
    return x * 2, total


@bad("weak-type-output", x8)
def filled(x):
    scale = jnp.full(x.shape, 0.5)  # bad
    return {"x": x, "scale": scale * 2}


@fixed("weak-type-output", x8)
def typed_signs(x):
    return jnp.where(x > 0, jnp.ones_like(x), -1.0)


@fixed("weak-type-output", 2.0, derive=False)
def python_number_in(x):
    return x * 2 + 1


@fixed("weak-type-output", x8)
def typed_filled(x):
    return x, jnp.full(x.shape, 0.5, x.dtype)


# duplicate-computation


@bad("duplicate-computation", batch, m32)
def product_twice(x, w):
    scores = (x @ w).sum()
    return scores + jnp.max(x @ w)  # bad


@bad("duplicate-computation", m32, batch, derive=False)
def loss_and_gradient(w, x):
    def loss(w):
        return jnp.sum(jnp.tanh(x @ w))

    value = loss(w)
    return value, jax.grad(loss)(w)  # bad


@bad("duplicate-computation", m32)
def decomposed_twice(a):
    values = jnp.linalg.eigh(a)[0]
    vectors = jnp.linalg.eigh(a)[1]  # bad
    return values, vectors


@fixed("duplicate-computation", batch, m32)
def product_once(x, w):
    h = x @ w
    return h.sum() + jnp.max(h)


@fixed("duplicate-computation", m32, batch, derive=False)
def value_and_gradient(w, x):
    return jax.value_and_grad(lambda w: jnp.sum(jnp.tanh(x @ w)))(w)


@fixed("duplicate-computation", batch, m32)
def checkpointed(x, w):
    return jnp.sum(jax.checkpoint(lambda x: jnp.tanh(jnp.tanh(x @ w) @ w))(x))


@fixed("duplicate-computation", batch, m32)
def other_operands(x, w):
    return (x @ w).sum() + ((x + 1) @ w).sum()


# low-precision-upcast


@bad("low-precision-upcast", low_batch, derive=True)
def numpy_scalar(x):
    return jnp.tanh(x / np.sqrt(32))  # bad


@bad("low-precision-upcast", low_batch, row)
def wide_bias(x, b):
    return x + b  # bad


@bad("low-precision-upcast", low_batch, m32, derive=True)
def wide_weights(x, w):
    return jnp.tanh(x @ w)  # bad


@bad("low-precision-upcast", low_batch, key())
def wide_noise(x, k):
    return x + jax.random.normal(k, x.shape)  # bad


@fixed("low-precision-upcast", low_batch)
def python_scalar(x):
    return jnp.tanh(x / 32**0.5)


@fixed("low-precision-upcast", low_batch, row)
def meant(x, b):
    wide = x.astype(jnp.float32)
    return ((wide - wide.mean(-1, keepdims=True)) * b).astype(jnp.bfloat16)


@fixed("low-precision-upcast", low_batch, batch)
def wide_state(grad, momentum):
    return 0.9 * momentum + grad


@fixed("low-precision-upcast", low_batch, m32)
def narrowed_weights(x, w):
    return x @ w.astype(x.dtype)


# convert-roundtrip


@bad("convert-roundtrip", batch)
def there_and_back(x):
    return x.astype(jnp.bfloat16).astype(jnp.float32) * 2  # bad


@bad("convert-roundtrip", batch)
def on_two_lines(x):
    half = x.astype(jnp.float16)
    moved = half.reshape(-1)
    return jnp.tanh(moved.astype(jnp.float32))  # bad


@bad("convert-roundtrip", struct(64, dtype=jnp.int32))
def integers_through_floats(i):
    f = jnp.asarray(i, jnp.float32)
    return jnp.asarray(f, jnp.int32) + 1  # bad


@fixed("convert-roundtrip", batch, m32)
def used_between(x, w):
    return (x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)).astype(jnp.float32)


@fixed("convert-roundtrip", batch)
def truncates(x):
    return x - x.astype(jnp.int32).astype(jnp.float32)


@fixed("convert-roundtrip", batch)
def splits_into_parts(x):
    high = x.astype(jnp.bfloat16).astype(jnp.float32)
    return high, (x - high).astype(jnp.bfloat16)


@fixed("convert-roundtrip", low_batch)
def sums_of_sums(x):
    return x.sum(0).sum(0)


# dead-code


@bad("dead-code", batch, m32)
def unused_product(x, w):
    hidden = x @ w  # bad  # noqa: F841
    return x + 1


@bad("dead-code", m32)
def unused_chain(a):
    factor = jnp.linalg.cholesky(a)  # bad
    _ = factor * 2
    return a.sum()


@bad("dead-code", batch, m32)
def unused_loop(x, w):
    lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, None, length=5)  # bad
    return x * 2


@fixed("dead-code", batch, m32)
def used_product(x, w):
    return x @ w + 1


@fixed("dead-code", batch, m32, derive=False)
def gradient_only(x, w):
    return jax.grad(lambda w: jnp.sum((x @ w) @ w))(w)


@fixed("dead-code", batch)
def unused_and_cheap(x):
    _ = x + 1
    return x * 2


# unrolled-loop


@bad("unrolled-loop", batch, m32, derive=True)
def many_layers(x, w):
    for _ in range(24):
        x = jnp.tanh(x @ w)  # bad
    return x


@bad("unrolled-loop", struct(40, 8))
def over_rows(xs):
    out = []
    for i in range(40):
        out.append(jnp.sin(xs[i]))  # bad
    return jnp.stack(out)


@bad("unrolled-loop", struct())
def newton(x):
    for _ in range(50):
        x = x - (x**3 - 2) / (3 * x**2)  # bad
    return x


@bad("unrolled-loop", struct(30, 32), m32)
def recurrent_by_hand(xs, w):
    def cell(h, x):
        return jnp.tanh(h @ w + x)

    h = jnp.zeros(32)
    for t in range(30):
        h = cell(h, xs[t])  # bad
    return h


@fixed("unrolled-loop", batch, m32)
def few_layers(x, w):
    for _ in range(12):
        x = jnp.tanh(x @ w)
    return x


@fixed("unrolled-loop", batch, m32)
def scanned_layers(x, w):
    return lax.scan(lambda x, _: (jnp.tanh(x @ w), None), x, None, length=24)[0]


@fixed("unrolled-loop", [x8] * 30, derive=False)
def norm_of_a_tree(leaves):
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in leaves))


# transpose-pair


@bad("transpose-pair", batch, derive=False)
def there_and_back_again(x):
    y = x.T
    return y.T * 2  # bad


@bad("transpose-pair", batch)
def around_tanh(x):
    return jnp.tanh(x.T).T  # bad


@bad("transpose-pair", struct(2, 8, 8, 3))
def channels_first_and_last(x):
    y = jnp.transpose(x, (0, 3, 1, 2))
    y = jax.nn.sigmoid(y)
    return jnp.transpose(y, (0, 2, 3, 1))  # bad


@bad("transpose-pair", batch)
def swapped_twice(x):
    first = jnp.swapaxes(x, 0, 1)
    return jnp.sin(first).swapaxes(0, 1)  # bad


@bad("transpose-pair", struct(4, 8, 3))
def in_vmap(x):
    return jax.vmap(lambda m: jnp.exp(m.T).mT)(x)  # bad


@bad("transpose-pair", batch)
def instead_of_axes(x):
    return jax.vmap(jnp.sin, in_axes=1, out_axes=1)(x.T).T  # bad


@fixed("transpose-pair", m32, m32)
def gain(covariance, cross):
    return jnp.linalg.solve(covariance.T, cross.T).T


@fixed("transpose-pair", m32, m32, batch)
def solved_rows(a, b, rows):
    return jnp.linalg.solve(a, rows.T), jnp.linalg.inv(b).T


@fixed("transpose-pair", batch)
def out_axes(x):
    return jax.vmap(jnp.tanh, out_axes=1)(x).T


@fixed("transpose-pair", batch)
def rotated(x):
    return jnp.rot90(x).T


@fixed("transpose-pair", struct(4, 8, 3))
def mapped_over_another_axis(x):
    return jax.vmap(lambda m: m.T, in_axes=1)(x).transpose(2, 0, 1)


@fixed("transpose-pair", batch)
def one_transpose(x):
    return jnp.tanh(x.T)


@fixed("transpose-pair", m32)
def product_between(x):
    return (x.T @ x).T


@fixed("transpose-pair", batch)
def sum_between(x):
    return jnp.cumsum(x.T, axis=1).T


# unguarded-where


@bad("unguarded-where", x8)
def log_where(x):
    return jnp.where(x > 0, jnp.log(x), 0.0)  # bad


@bad("unguarded-where", x8, x8)
def quotient_where(a, b):
    ratio = a / b
    return jnp.where(b != 0, ratio, 0.0)  # bad


@bad("unguarded-where", batch)
def norm_where(x):
    square = jnp.sum(x**2, -1)
    return jnp.where(square == 0, 0.0, jnp.sqrt(square))  # bad


@fixed("unguarded-where", x8)
def guarded_log(x):
    safe = jnp.where(x > 0, x, 1.0)
    return jnp.where(x > 0, jnp.log(safe), 0.0)


@fixed("unguarded-where", x8, x8)
def masked(a, mask):
    return jnp.where(mask > 0, jnp.exp(a), 0.0)


@fixed("unguarded-where", x8)
def kept_away(x):
    return jnp.where(x > 0, jnp.log(jnp.maximum(x, 1e-6)), 0.0)


# unused-input


@bad("unused-input", x8, x8)
def one_of_two(x, y):  # bad
    return x * 2


@bad("unused-input", {"w": x8, "b": x8}, x8)
def part_of_a_tree(params, x):  # bad
    return params["w"] * x


@bad("unused-input", x8, key())
@jax.jit
def key_for_nothing(x, k):  # bad
    return x + 1


@fixed("unused-input", x8, x8, derive=False)
def both(x, y):
    return x * y


@fixed("unused-input", x8, x8, derive=False)
def through_a_loop(x, y):
    return lax.fori_loop(0, 3, lambda i, c: c + y, x)


@fixed("unused-input", x8, derive=False)
def handed_on(x):
    return x


# default-matmul-precision


@bad("default-matmul-precision", batch, m32)
def plain_product(x, w):
    return x @ w  # bad


@bad("default-matmul-precision", batch, m32)
def plain_einsum(x, w):
    return jnp.einsum("bi,ij->bj", x, w)  # bad


@bad("default-matmul-precision", batch, m32)
def product_in_loop(x, w):
    return lax.fori_loop(0, 3, lambda i, c: jnp.dot(c, w), x)  # bad


@fixed("default-matmul-precision", batch, m32, derive=False)
def precise_product(x, w):
    return jnp.dot(x, w, precision="highest")


@fixed("default-matmul-precision", batch, m32, derive=False)
def precise_context(x, w):
    with jax.default_matmul_precision("highest"):
        return x @ w


@fixed("default-matmul-precision", low_batch, derive=False)
def narrow_product(x):
    return x @ x.T


# f64-upcast: these run with 64 bits enabled


@bad("f64-upcast", x8)
def numpy_scalar_64(x):
    return x * np.sqrt(2.0)  # bad


@bad("f64-upcast", x8)
def default_dtype(x):
    grid = jnp.linspace(0, 1, 8)
    return jnp.sin(x + grid)  # bad


@bad("f64-upcast", x8)
def python_type(x):
    wide = x.astype(float)  # bad
    return wide * 2


@fixed("f64-upcast", x8)
def python_scalar_32(x):
    return x * 2.0**0.5


@fixed("f64-upcast", x8)
def given_dtype(x):
    return jnp.sin(x + jnp.linspace(0, 1, 8, dtype=x.dtype))


@fixed("f64-upcast", x8)
def sums_in_64(x):
    return jnp.sum(x.astype(jnp.float64)).astype(jnp.float32)


# What taught the rules something.


@bad("dead-code", struct(1000))
def unused_elementwise(x):
    waves = jnp.sin(x)  # bad  # noqa: F841
    return x + 1


@bad("transpose-pair", struct(2, 4, 5, 3))
def around_relu(x):
    first = jnp.moveaxis(x, -1, 1)
    return jnp.moveaxis(jax.nn.relu(first), 1, -1)  # bad


@bad("low-precision-accumulation", struct(4096, dtype=jnp.bfloat16))
def reduced_by_lax(x):
    return lax.reduce(x, jnp.bfloat16(0), lax.add, (0,))  # bad


@bad("low-precision-upcast", low_batch)
def wide_mask_value(x):
    return jnp.where(x > 0, x, np.float32(-1e9))  # bad


@fixed("low-precision-upcast", low_batch)
def number_of_no_dtype(x):
    return jax.nn.softmax(x * jnp.array(0.125))


@fixed("duplicate-computation", row, struct(32, 64), struct(8, 32), batch, derive=False)
def two_losses_of_one_generator(d, g, z, x):
    def score(d, v):
        return jnp.tanh(v @ jnp.outer(d, d))

    def critic(d):
        return jnp.mean(score(d, x)) - jnp.mean(score(d, (z @ g)[:, :32]))

    def generator(g):
        return -jnp.mean(score(d, (z @ g)[:, :32]))

    return jax.grad(critic)(d), jax.grad(generator)(g)


@fixed("loop-invariant", struct(64), struct(100, 64))
def small_decay(log_decay, xs):
    def step(h, x):
        return h * jnp.exp(log_decay) + x, None

    return lax.scan(step, xs[0], xs)[0]


@fixed("key-reuse", key(), struct(4, 8, 8, 3))
def augmentation(k, images):
    flip_key, shift_key, noise_key = jax.random.split(k, 3)
    flip = jax.random.bernoulli(flip_key, 0.5, (4, 1, 1, 1))
    images = jnp.where(flip, images[:, :, ::-1], images)
    shift = jax.random.randint(shift_key, (2,), 0, 2)
    images = lax.dynamic_slice(images, (0, shift[0], shift[1], 0), (4, 6, 6, 3))
    return images + 0.1 * jax.random.normal(noise_key, images.shape)


@fixed("key-reuse", struct(64, 10), struct(32, 64), struct(32, dtype=jnp.int32), key())
def train_step(w, x, y, k):
    def loss(w):
        keep = jax.random.bernoulli(k, 0.9, x.shape)
        logits = jnp.where(keep, x / 0.9, 0.0) @ w
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))

    value, grads = jax.value_and_grad(loss)(w)
    return w - 0.1 * grads, value


@bad("f64-upcast", struct(8, 8))
def numpy_matrix(x):
    return np.ones((4, 8)) @ x  # bad


@bad("f64-upcast", struct(8, 8))
def identity(x):
    return jnp.matmul(jnp.eye(8), x)  # bad


@bad("f64-upcast", struct(8, 8))
def numpy_in_einsum(x):
    return jnp.einsum("ij,jk->ik", x, np.ones((8, 3)))  # bad


@bad("f64-upcast", struct(8))
def into_a_buffer(x):
    return jnp.zeros((10, 8)).at[3].add(x)  # bad


@bad("f64-upcast", struct(8))
def beside_zeros(x):
    return jnp.stack([x, jnp.zeros(8)])  # bad


@fixed("f64-upcast", struct(8, 8))
def narrow_matrix(x):
    return np.ones((4, 8), np.float32) @ x @ jnp.eye(8, dtype=x.dtype)


@fixed("f64-upcast", struct(8))
def into_a_narrow_buffer(x):
    return jnp.zeros((10, 8), x.dtype).at[3].add(x).at[:2].set(0.0)


@fixed("f64-upcast", struct(8))
def by_default(x):
    return x * 2, jnp.zeros(8)


@bad("low-precision-upcast", low_batch)
def with_a_column_of_zeros(x):
    return jnp.concatenate([x, jnp.zeros((8, 1))], 1)  # bad


@bad("low-precision-upcast", low_batch)
def stacked_with_ones(x):
    return jnp.stack([jnp.ones(32), x[0], x[1]])  # bad


@bad("low-precision-upcast", low_batch, m32)
def wide_weights_by_name(x, w):
    return jnp.dot(x, w)  # bad


@fixed("low-precision-upcast", low_batch)
def with_a_narrow_column(x):
    return jnp.concatenate([x, jnp.zeros((8, 1), x.dtype)], 1)


@fixed("low-precision-upcast", low_batch, struct(8, 64))
def beside_a_state(x, state):
    return jnp.concatenate([x, state], 1)


@fixed("low-precision-upcast", low_batch)
def joined_and_narrowed(x):
    return jnp.concatenate([x, jnp.zeros((8, 1))], 1).astype(x.dtype)


@fixed("low-precision-upcast", low_batch)
def collected_in_float32(x):
    return jnp.zeros((10, 32)).at[:8].add(x)


@bad("dead-code", m32, struct(5, 32, 32))
def stacked_for_nobody(a, xs):
    def body(c, x):
        y = a @ x  # bad
        return c + x, y

    return lax.scan(body, xs[0], xs)[0] @ a


@bad("dead-code", m32, struct(5, 32, 32))
def carried_for_nobody(a, xs):
    def body(c, x):
        h, s = c
        h = a @ h  # bad
        return (h, s + x), None

    return lax.scan(body, (xs[0], xs[0]), xs)[0][1] @ a


@bad("dead-code", m32, m32)
def turned_for_nobody(a, x):
    def body(_, c):
        h = jnp.tanh(a @ c[0])  # bad
        return h, c[1] + 1

    return lax.fori_loop(0, 9, body, (x, x))[1] @ a


@bad("dead-code", struct(dtype=bool), m32, m32)
def one_of_two_results(p, a, x):
    def true(x):
        z = a @ x  # bad
        return z, x + 1

    return lax.cond(p, true, lambda x: (x, x), x)[1] @ a


@fixed("dead-code", m32, m32, derive=False)
def carried_for_the_condition(a, x):
    def body(c):
        return jnp.tanh(a @ c[0]), c[1] + 1

    return lax.while_loop(lambda c: c[0][0, 0] > 0.1, body, (x, x))[1]


@fixed("dead-code", m32, m32)
def carries_that_change_places(a, x):
    def body(c, _):
        h, s = c
        return (s, jnp.tanh(a @ h)), None

    return lax.scan(body, (x, x), None, length=5)[0][0]


@fixed("dead-code", m32, m32, derive=False)
def carried_for_an_effect(a, x):
    def body(c, _):
        h, s = c
        h = a @ h
        lax.cond(s[0, 0] > 3, lambda: jax.debug.print("{}", h), lambda: None)
        return (h, s + 1), None

    return lax.scan(body, (x, x), None, length=5)[0][1]


@fixed("dead-code", m32, struct(5, 32, 32))
def either_branch(a, xs):
    def body(c, x):
        h, s = c
        return lax.cond(s[0, 0] > 0, lambda: (a @ h, s), lambda: (h, s + x)), x @ a

    (h, _), ys = lax.scan(body, (xs[0], xs[0]), xs)
    return h, ys


@bad("transpose-pair", struct(3, 4, 5))
def by_einsum(x):
    y = jnp.einsum("abc->cba", x)
    return jnp.einsum("cba -> abc", jnp.sin(y))  # bad


@fixed("transpose-pair", struct(6, 5), struct(4, 5))
def einsum_of_two(x, y):
    return jnp.einsum("ij,kj->ki", x, y).T


@bad("unguarded-where", x8)
def finite_log(x):
    y = jnp.log(x)
    return jnp.where(jnp.isfinite(y), y, 0.0)  # bad


@bad("unguarded-where", x8)
def number_or_root(x):
    y = jnp.sqrt(x)
    return jnp.where(jnp.isnan(y), 0.0, y)  # bad


@bad("unguarded-where", x8)
def quotient_to_number(x):
    return jnp.nan_to_num(1 / x)  # bad


@bad("unguarded-where", x8)
def norm_or_one(x):
    n = jnp.sqrt(jnp.sum(x * x))
    return x / jnp.where(n == 0, 1.0, n)  # bad


@fixed("unguarded-where", x8)
def large_ratio(x):
    ratio = x / (1 + jnp.sum(x * x))
    return jnp.where(ratio > 0.5, 0.5, ratio)


@fixed("unguarded-where", x8)
def norm_made_safe(x):
    squares = jnp.sum(x * x)
    n = jnp.sqrt(jnp.where(squares == 0, 1.0, squares))
    return x / n


@fixed("unguarded-where", x8)
def finite_input(x):
    safe = jnp.where(jnp.isfinite(x), x, 1.0)
    return jnp.where(jnp.isfinite(x), jnp.log1p(jnp.exp(safe)), 0.0)


@bad("unrolled-loop", batch, m32)
def reduced_in_python(x, w):
    return functools.reduce(lambda y, _: jnp.tanh(y @ w), range(20), x)  # bad


@fixed("unrolled-loop", [x8] * 20, derive=False)
def sum_by_reduce(leaves):
    return functools.reduce(jnp.add, leaves)
