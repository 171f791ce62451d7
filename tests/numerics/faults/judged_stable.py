"""The judge's controls: sound functions that look suspicious."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults import judged_data as drawn
from tests.numerics.faults.case import stable
from tests.numerics.faults.data import bf16, f16, f32


# Logits of 3000: all but the greatest exponentials are 0, as they should be.
@stable(args=lambda: ((3000 * drawn.LOGITS).astype(f32), np.arange(4).astype(np.int32)))
def log_softmax_ce(logits, y):
    lp = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(lp, y[:, None], 1))


@stable(args=lambda: ((1000 + drawn.SAMPLES).astype(f32),))
def welford_offset(xs):
    def step(c, x):
        n, mean, m2 = c
        n = n + 1
        d = x - mean
        mean = mean + d / n
        return (n, mean, m2 + d * (x - mean)), None

    (n, _, m2), _ = lax.scan(step, (0.0, 0.0, 0.0), xs)
    return m2 / (n - 1)


# Numbers of 0.001 beside 1e5, whose ulp is 0.008: the compensation keeps them.
@stable(args=lambda: (f32(1e5), (0.001 + 0.001 * drawn.SUMMANDS).astype(f32)))
def kahan(start, xs):
    def step(c, x):
        s, comp = c
        y = x - comp
        t = s + y
        return (t, (t - s) - y), None

    return lax.scan(step, (start, jnp.zeros_like(start)), xs)[0][0]


@stable(args=lambda: _layer())
def two_pass_layernorm(x, g, b):
    mu = jnp.mean(x, -1, keepdims=True)
    var = jnp.mean((x - mu) ** 2, -1, keepdims=True)
    return (x - mu) * lax.rsqrt(var + 1e-6) * g + b


def _layer():
    x, g, b = 10 + drawn.ACTIVATIONS, 1 + 0.1 * drawn.GAINS, 0.1 * drawn.SHIFTS
    return x.astype(f32), g.astype(f32), b.astype(f32)


@stable(args=lambda: (f32(1.0), f32(-2.34e4), f32(1.7)))
def stable_quadratic(a, b, c):
    q = -0.5 * (b + jnp.sign(b) * jnp.sqrt(b * b - 4 * a * c))
    return jnp.stack([q / a, c / q])


@stable(args=lambda: tuple(each.astype(f32) for each in drawn.CAUSAL_QKV))
def causal_attention_inf_mask(q, k, v):
    s = q @ k.T / jnp.sqrt(jnp.float32(q.shape[-1]))
    s = jnp.where(jnp.tril(jnp.ones(s.shape, bool)), s, -jnp.inf)
    return jax.nn.softmax(s, -1) @ v


def _squared_error(w1, w2, x, y):
    return np.mean((np.maximum(x @ w1, 0) @ w2 - y) ** 2)


# bf16 within, as it is meant: the loss is right to what bf16 can do.
@stable(args=lambda: _perceptron(), truth=_squared_error)
def mixed_precision_mlp(w1, w2, x, y):
    h = jax.nn.relu(x.astype(jnp.bfloat16) @ w1.astype(jnp.bfloat16))
    out = (h @ w2.astype(jnp.bfloat16)).astype(jnp.float32)
    return jnp.mean((out - y) ** 2)


def _perceptron():
    w1, w2, x, y = drawn.PERCEPTRON
    return (w1 / 4).astype(f32), (w2 / 6).astype(f32), x.astype(f32), y.astype(f32)


# The twin of `great_circle_acos`.
@stable(args=lambda: tuple(map(f32, (0.8, 0.1, 0.803, 0.104))))
def haversine(lat1, lon1, lat2, lon2):
    across = jnp.cos(lat1) * jnp.cos(lat2) * jnp.sin((lon2 - lon1) / 2) ** 2
    h = jnp.sin((lat2 - lat1) / 2) ** 2 + across
    return 6371e3 * 2 * jnp.arcsin(jnp.sqrt(h))


@stable(args=lambda: (np.array([[0, 0], [3, 4], [1e-3, 2e-3]], f32),), of=jax.grad)
def double_where_norm_grad(x):
    s = jnp.sum(x * x, -1)
    ok = s > 0
    return jnp.sum(jnp.where(ok, jnp.sqrt(jnp.where(ok, s, 1.0)), 0.0))


# The smallest square underflows beside the others, as it should.
@stable(args=lambda: (np.array([1e30, -2e30, 1e5], f32),))
def scaled_normalise_1e30(v):
    m = jnp.max(jnp.abs(v))
    u = v / m
    return u / jnp.sqrt(jnp.sum(u * u))


@stable(args=lambda: (np.array([20, -30, 90, 0.1], f32), np.array([1, 0, 0, 1], f32)))
def bce_with_logits(x, y):
    return jnp.mean(jnp.maximum(x, 0) - x * y + jnp.log1p(jnp.exp(-jnp.abs(x))))


# 20 steps of Adam, whose rounding errors descent makes up for.
@stable(args=lambda: _regression())
def adam_training_f32(w, x, y):
    def loss(w):
        return jnp.mean((jnp.tanh(x @ w) - y) ** 2)

    def step(c, t):
        w, m, v = c
        g = jax.grad(loss)(w)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        mh, vh = m / (1 - 0.9**t), v / (1 - 0.99**t)
        return (w - 0.01 * mh / (jnp.sqrt(vh) + 1e-8), m, v), None

    zero = jnp.zeros_like(w)
    (w, _, _), _ = lax.scan(step, (w, zero, jnp.zeros_like(w)), jnp.arange(1.0, 21.0))
    return w


def _regression():
    w, x, y = drawn.REGRESSION
    return w.astype(f32), x.astype(f32), (0.8 * y).astype(f32)


def _normalised(x, w):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * w


# The twin of `rmsnorm_f16_square_overflow`.
@stable(args=lambda: (_large(), np.ones(16, f16)), truth=_normalised)
def rmsnorm_f16_upcast(x, w):
    h = x.astype(jnp.float32)
    ms = jnp.mean(h * h, -1, keepdims=True)
    return (h * lax.rsqrt(ms + 1e-6)).astype(jnp.float16) * w


def _large():
    return (400 * drawn.SIGNS * (1 + 0.3 * drawn.SIZES)).astype(f16)


# The twin of `segment_sum_bf16`.
@stable(
    args=lambda: (np.ones(3000, bf16), (np.arange(3000) % 3).astype(np.int32)),
    truth=lambda w, dst: 1 / np.sqrt(np.bincount(dst, w, 3)),
)
def segment_sum_f32_accumulate(w, dst):
    deg = jax.ops.segment_sum(w.astype(jnp.float32), dst, num_segments=3)
    return (1.0 / jnp.sqrt(deg)).astype(jnp.bfloat16)


@stable(args=lambda: (np.array([2, 1e4, 0.03], f32),))
def newton_sqrt_while(a):
    def more(c):
        _, d, n = c
        return (jnp.max(d) > 1e-6) & (n < 40)

    def body(c):
        x, _, n = c
        new = 0.5 * (x + a / x)
        return new, jnp.abs(new - x) / new, n + 1

    return lax.while_loop(more, body, (a, jnp.ones_like(a), 0))[0]


@stable(args=lambda: (np.array([1, 0.3], f32), np.array([0, 0.5], f32)))
def leapfrog_1000(q, p):
    def step(c, _):
        q, p = c
        p = p - 0.005 * q
        q = q + 0.01 * p
        p = p - 0.005 * q
        return (q, p), q

    (q, p), qs = lax.scan(step, (q, p), None, length=1000)
    return 0.5 * (q * q + p * p), qs


@stable(args=lambda: (np.array([-10, -6, -1, 2], f32),))
def log_ndtr_tail(x):
    return jnp.sum(jax.scipy.special.log_ndtr(x))


# The noise on the diagonal makes the kernel's condition 43.
@stable(args=lambda: _measurements())
def gp_with_jitter(x, y, xs):
    def kernel(a, b):
        return jnp.exp(-0.5 * (a[:, None] - b[None]) ** 2)

    c = jax.scipy.linalg.cho_factor(kernel(x, x) + 0.1 * jnp.eye(x.size), lower=True)
    return kernel(xs, x) @ jax.scipy.linalg.cho_solve(c, y)


def _measurements():
    x = np.linspace(-3, 3, 12)
    return x.astype(f32), (np.sin(x) + 0.1).astype(f32), np.linspace(-2, 2, 5).astype(f32)


def _softmax_average(q, ks, vs):
    scores = ks @ q
    weights = np.exp(scores - scores.max())
    return weights @ vs / weights.sum()


# The first maximum is -inf, and meant: exp(-inf) = 0.
@stable(args=lambda: _stream(), truth=_softmax_average)
def online_softmax_scan(q, ks, vs):
    def step(c, kv):
        m, total, acc = c
        k, v = kv
        s = jnp.dot(q, k)
        new = jnp.maximum(m, s)
        a, b = jnp.exp(m - new), jnp.exp(s - new)
        return (new, total * a + b, acc * a + b * v), None

    start = (jnp.float32(-jnp.inf), jnp.float32(0), jnp.zeros(vs.shape[-1], jnp.float32))
    (_, total, acc), _ = lax.scan(step, start, (ks, vs))
    return acc / total


def _stream():
    q, ks, vs = drawn.STREAM
    return (3 * q).astype(f32), ks.astype(f32), vs.astype(f32)
