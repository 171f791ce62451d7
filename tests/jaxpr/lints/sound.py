"""Sound programs as users write them: no lint has anything to warn of.

Each is a function with the shapes of its arguments; `SOUND` has them all.

Longer than 400 lines, as it is a table: each case is a few lines, and one place has them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random

from tests.jaxpr.lints.clean import key, struct

BF16, INT = jnp.bfloat16, jnp.int32


class Sound(NamedTuple):
    """A function, and what to call it with."""

    fun: Callable[..., Any]
    args: tuple[Any, ...]


SOUND: list[Sound] = []


def sound(*args: Any) -> Callable[[Any], Any]:
    return lambda fun: SOUND.append(Sound(fun, args)) or fun


f = struct


@sound(f(50, 3), f(6, 6), f(3, 6), f(6, 6), f(3, 3))
def kalman_filter(ys, transition, emission, q, r):
    def step(state, y):
        mean, cov = state
        mean, cov = transition @ mean, transition @ cov @ transition.T + q
        innovation = y - emission @ mean
        s = emission @ cov @ emission.T + r
        gain = jnp.linalg.solve(s, emission @ cov).T
        mean = mean + gain @ innovation
        cov = (jnp.eye(6) - gain @ emission) @ cov
        cov = 0.5 * (cov + cov.T)
        ll = -0.5 * (innovation @ jnp.linalg.solve(s, innovation) + jnp.linalg.slogdet(s)[1])
        return (mean, cov), (mean, cov, ll)

    _, (means, covs, lls) = lax.scan(step, (jnp.zeros(6), jnp.eye(6)), ys)
    return means, covs, lls.sum()


@sound(f(50, 6), f(50, 6, 6), f(6, 6), f(6, 6))
def rts_smoother(means, covs, transition, q):
    def step(after, now):
        mean_s, cov_s = after
        mean, cov = now
        predicted = transition @ cov @ transition.T + q
        gain = jax.scipy.linalg.solve(predicted, transition @ cov, assume_a="pos").T
        mean_s = mean + gain @ (mean_s - transition @ mean)
        cov_s = cov + gain @ (cov_s - predicted) @ gain.T
        return (mean_s, cov_s), (mean_s, cov_s)

    last = means[-1], covs[-1]
    _, out = lax.scan(step, last, (means[:-1], covs[:-1]), reverse=True)
    return out


@sound(f(8), f(8, 8), f(8, 8))
def rk4(y, w1, w2):
    def field(y):
        return jnp.tanh(y @ w1) @ w2

    def step(y, h):
        k1 = field(y)
        k2 = field(y + h / 2 * k1)
        k3 = field(y + h / 2 * k2)
        k4 = field(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y, y

    return lax.scan(step, y, jnp.full(100, 0.01))


@sound(f(4), f())
def adaptive_euler(y, tolerance):
    def field(y):
        return jnp.stack([y[1], -y[0], y[3], -jnp.sin(y[2])])

    def body(state):
        t, y, h, n = state
        one = y + h * field(y)
        half = y + h / 2 * field(y)
        two = half + h / 2 * field(half)
        error = jnp.max(jnp.abs(one - two)) / tolerance
        accept = error < 1
        t, y = jnp.where(accept, t + h, t), jnp.where(accept, 2 * two - one, y)
        h = h * jnp.clip(0.9 / jnp.sqrt(jnp.maximum(error, 1e-6)), 0.2, 5.0)
        return t, y, jnp.minimum(h, 1.0 - t + 1e-6), n + 1

    def unfinished(state):
        return (state[0] < 1.0) & (state[3] < 1000)

    start = jnp.float32(0), y, jnp.float32(0.1), jnp.int32(0)
    return lax.while_loop(unfinished, body, start)[:2]


@sound(f(4, 64), f(64, 32), f(32, 64), f(32, 100))
def beam_search(context, w_in, w_out, vocabulary):
    beams, length = 4, 12

    encoded = context.mean(0) @ w_in

    def scores_of(tokens):
        return jax.nn.log_softmax(jnp.tanh(encoded + vocabulary.T[tokens]) @ vocabulary)

    def step(state, t):
        tokens, scores, done = state
        last = tokens[:, t]
        log_p = jax.vmap(scores_of)(last)
        log_p = jnp.where(done[:, None], jnp.where(jnp.arange(100) == 0, 0.0, -jnp.inf), log_p)
        flat = (scores[:, None] + log_p).reshape(-1)
        scores, chosen = lax.top_k(flat, beams)
        parent, token = chosen // 100, chosen % 100
        tokens = tokens[parent].at[:, t + 1].set(token)
        return (tokens, scores, done[parent] | (token == 0)), None

    start = jnp.zeros((beams, length + 1), INT), jnp.zeros(beams), jnp.zeros(beams, bool)
    (tokens, scores, _), _ = lax.scan(step, start, jnp.arange(length))
    return tokens, scores, (w_out @ w_in).sum()


@sound(f(40, 3), f(40), f(10, 3), f(3), f(), f())
def gaussian_process(x, y, x_new, log_scale, log_amplitude, log_noise):
    def kernel(a, b):
        a, b = a / jnp.exp(log_scale), b / jnp.exp(log_scale)
        d2 = jnp.sum(a**2, -1)[:, None] + jnp.sum(b**2, -1)[None] - 2 * a @ b.T
        return jnp.exp(2 * log_amplitude - 0.5 * jnp.maximum(d2, 0.0))

    k = kernel(x, x) + jnp.exp(2 * log_noise) * jnp.eye(40)
    chol = jnp.linalg.cholesky(k)
    alpha = jax.scipy.linalg.cho_solve((chol, True), y)
    k_new = kernel(x, x_new)
    mean = k_new.T @ alpha
    v = jax.scipy.linalg.solve_triangular(chol, k_new, lower=True)
    cov = kernel(x_new, x_new) - v.T @ v
    evidence = -0.5 * y @ alpha - jnp.sum(jnp.log(jnp.diagonal(chol))) - 20 * jnp.log(2 * jnp.pi)
    return mean, cov, evidence


@sound([{"w": f(4, 64), "b": f(64), "w2": f(64, 8), "b2": f(8)}] * 6, f(32, 8))
def real_nvp(layers, x):
    log_det = jnp.zeros(x.shape[0])
    for i, p in enumerate(layers):
        a, b = jnp.split(x, 2, axis=-1)
        if i % 2:
            a, b = b, a
        shift, log_scale = jnp.split(jax.nn.relu(a @ p["w"] + p["b"]) @ p["w2"] + p["b2"], 2, -1)
        log_scale = jnp.tanh(log_scale)
        b = b * jnp.exp(log_scale) + shift
        log_det += log_scale.sum(-1)
        x = jnp.concatenate([b, a] if i % 2 else [a, b], -1)
    return -0.5 * jnp.sum(x**2, -1) - 4 * jnp.log(2 * jnp.pi) + log_det


@sound(f(20, 16), f(20, dtype=INT), f(20), f(20), f(20), f(20))
def ppo(logits, actions, old_log_p, rewards, values, done):
    def back(carry, now):
        r, v, v_next, d = now
        delta = r + 0.99 * v_next * (1 - d) - v
        advantage = delta + 0.99 * 0.95 * (1 - d) * carry
        return advantage, advantage

    shifted = jnp.concatenate([values[1:], jnp.zeros(1)])
    _, advantages = lax.scan(back, jnp.float32(0), (rewards, values, shifted, done), reverse=True)
    targets = lax.stop_gradient(advantages + values)
    normal = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    log_p = jax.nn.log_softmax(logits)
    chosen = jnp.take_along_axis(log_p, actions[:, None], -1)[:, 0]
    ratio = jnp.exp(chosen - old_log_p)
    clipped = jnp.clip(ratio, 0.8, 1.2)
    policy = -jnp.minimum(ratio * normal, clipped * normal).mean()
    entropy = -jnp.sum(jnp.exp(log_p) * log_p, -1).mean()
    return policy + 0.5 * jnp.mean((values - targets) ** 2) - 0.01 * entropy


@sound(f(64, 16), f(64, dtype=INT), f(64), f(64, 16), f(16, 4), f(16, 4))
def dqn(obs, actions, rewards, next_obs, w, w_target):
    q = jnp.take_along_axis(obs @ w, actions[:, None] % 4, 1)[:, 0]
    best = jnp.argmax(next_obs @ w, -1)
    target = jnp.take_along_axis(next_obs @ w_target, best[:, None], 1)[:, 0]
    error = q - lax.stop_gradient(rewards + 0.99 * target)
    return jnp.mean(jnp.where(jnp.abs(error) < 1, 0.5 * error**2, jnp.abs(error) - 0.5))


@sound(f(30, 16), f(90, dtype=INT), f(90, dtype=INT), f(16, 32), f(32, 32), f(64))
def graph_attention(nodes, senders, receivers, w, w2, a):
    h = nodes @ w
    scores = jax.nn.leaky_relu(jnp.concatenate([h[senders], h[receivers]], -1) @ a)
    largest = jax.ops.segment_max(scores, receivers, 30)
    weights = jnp.exp(scores - largest[receivers])
    total = jax.ops.segment_sum(weights, receivers, 30)
    weights = weights / jnp.maximum(total[receivers], 1e-9)
    messages = jax.ops.segment_sum(weights[:, None] * h[senders], receivers, 30)
    return jax.nn.elu(messages @ w2)


@sound(f(30, 16), f(30, 30), f(3, 16, 16))
def graph_convolutions(x, adjacency, weights):
    a = adjacency + jnp.eye(30)
    d = 1 / jnp.sqrt(a.sum(-1))
    a = a * d[:, None] * d[None]

    def layer(h, w):
        return jax.nn.relu(a @ h @ w), None

    return lax.scan(layer, x, weights)[0]


@sound(key(), f(5), f(5, 5))
def hamiltonian(k, start, precision):
    def energy(q):
        return 0.5 * q @ precision @ q

    def leapfrog(state, _):
        q, p = state
        p = p - 0.05 * jax.grad(energy)(q)
        q = q + 0.1 * p
        p = p - 0.05 * jax.grad(energy)(q)
        return (q, p), None

    def sample(q, k):
        k_momentum, k_accept = random.split(k)
        p = random.normal(k_momentum, q.shape)
        (new, p_new), _ = lax.scan(leapfrog, (q, p), None, length=10)
        log_ratio = energy(q) - energy(new) + 0.5 * (p @ p - p_new @ p_new)
        accept = jnp.log(random.uniform(k_accept)) < log_ratio
        return jnp.where(accept, new, q), (accept, q)

    return lax.scan(sample, start, random.split(k, 200))


@sound(key(), f(8, 2))
def parallel_tempering(k, x):
    temperatures = 2.0 ** jnp.arange(8)

    def log_p(x):
        return -jnp.sum((x**2 - 1) ** 2, -1)

    def step(state, t):
        x, k = state
        k, k1, k2, k3 = random.split(k, 4)
        proposal = x + 0.3 * random.normal(k1, x.shape)
        move = jnp.log(random.uniform(k2, (8,))) < (log_p(proposal) - log_p(x)) / temperatures
        x = jnp.where(move[:, None], proposal, x)
        swap = lax.cond(
            t % 10 == 0, lambda k: random.permutation(k, 8), lambda k: jnp.arange(8), k3
        )
        return (x[swap], k), x[0]

    (x, _), trace = lax.scan(step, (x, k), jnp.arange(100))
    return x, trace.mean(0)


@sound(f(1024), f(64))
def spectral_pipeline(signal, window):
    frames = signal[jnp.arange(0, 960, 32)[:, None] + jnp.arange(64)]
    spectrum = jnp.fft.rfft(frames * window)
    power = jnp.abs(spectrum) ** 2
    filters = jnp.maximum(0, 1 - jnp.abs(jnp.arange(33) - jnp.linspace(0, 32, 12)[:, None]) / 3)
    mel = jnp.log(power @ filters.T + 1e-6)
    back = jnp.fft.irfft(spectrum * jnp.exp(-jnp.arange(33) / 8))
    return mel - mel.mean(0), back


@sound(f(32, 32), f(32, 32))
def poisson_by_fft(density, guess):
    k = jnp.fft.fftfreq(32) * 2 * jnp.pi
    k2 = k[:, None] ** 2 + k[None] ** 2
    safe = jnp.where(k2 == 0, 1.0, k2)
    potential = jnp.fft.ifft2(jnp.where(k2 == 0, 0.0, -jnp.fft.fft2(density) / safe)).real
    return potential, jnp.mean((potential - guess) ** 2)


@sound({"w": f(64, 64), "a": f(64, 4), "b": f(4, 64)}, f(8, 64))
def lora(p, x):
    frozen = lax.stop_gradient(p["w"])
    return jnp.tanh(x @ frozen + 2.0 * (x @ p["a"]) @ p["b"])


@sound(f(64, 64, dtype=BF16), f(64, 8), f(8, 64), f(8, 64, dtype=BF16))
def lora_in_bf16(w, a, b, x):
    update = (x @ a.astype(BF16)) @ b.astype(BF16)
    return jnp.tanh(x @ w + update)


@sound(f(64, 32), f(32, 4), f(4, 32, 64), f(4, 64, 32))
def mixture_of_experts(x, gate, w_in, w_out):
    logits = x @ gate
    values, chosen = lax.top_k(logits, 2)
    weights = jax.nn.softmax(values)
    mask = jax.nn.one_hot(chosen, 4)
    combine = jnp.einsum("tk,tke->te", weights, mask)
    h = jax.nn.gelu(jnp.einsum("td,edf->etf", x, w_in))
    out = jnp.einsum("etf,efd->etd", h, w_out)
    load = mask.mean((0, 1))
    balance = 4 * jnp.sum(load * jax.nn.softmax(logits).mean(0))
    return jnp.einsum("te,etd->td", combine, out), balance


@sound(key(), f(16, 8), f(9, 64), f(64, 8))
def diffusion_loss(k, x, w1, w2):
    k_t, k_noise = random.split(k)
    betas = jnp.linspace(1e-4, 0.02, 1000)
    alphas = jnp.cumprod(1 - betas)
    t = random.randint(k_t, (16,), 0, 1000)
    noise = random.normal(k_noise, x.shape)
    a = alphas[t][:, None]
    noisy = jnp.sqrt(a) * x + jnp.sqrt(1 - a) * noise
    h = jnp.concatenate([noisy, t[:, None] / 1000], -1)
    return jnp.mean((jax.nn.silu(h @ w1) @ w2 - noise) ** 2)


@sound(key(), f(16, 8), f(8, 8))
def ddim(k, x, w):
    alphas = jnp.cumprod(1 - jnp.linspace(1e-4, 0.02, 50))

    def step(x, t):
        eps = jnp.tanh(x @ w)
        a, before = alphas[t], jnp.where(t > 0, alphas[jnp.maximum(t - 1, 0)], 1.0)
        clean = (x - jnp.sqrt(1 - a) * eps) / jnp.sqrt(a)
        return jnp.sqrt(before) * clean + jnp.sqrt(1 - before) * eps, None

    return lax.scan(step, x + random.normal(k, x.shape), jnp.arange(50), reverse=True)[0]


@sound(f(8, 64), f(12, 64, 64), f(12, 64))
def checkpointed_layers(x, ws, bs):
    @jax.checkpoint
    def layer(x, p):
        w, b = p
        return x + jax.nn.gelu(x @ w + b), None

    return lax.scan(layer, x, (ws, bs))[0]


@sound(f(64, 16), f(16, 16))
def nested_checkpoints(xs, w):
    @jax.checkpoint
    def chunk(h, xs):
        return lax.scan(lambda h, x: (jnp.tanh(h @ w + x),) * 2, h, xs)

    h, ys = lax.scan(chunk, jnp.zeros(16), xs.reshape(8, 8, 16))
    return h, ys.reshape(64, 16)


@sound(f(2, 16, 64), f(64, 192), f(64, 64), f(2, 16, dtype=bool))
def attention_by_hand(x, w_qkv, w_out, mask):
    q, k, v = jnp.split(jnp.einsum("btd,de->bte", x, w_qkv), 3, -1)
    q, k, v = (y.reshape(2, 16, 4, 16).transpose(0, 2, 1, 3) for y in (q, k, v))
    scores = jnp.einsum("bhtd,bhsd->bhts", q, k) / 4
    causal = jnp.tril(jnp.ones((16, 16), bool))
    scores = jnp.where(causal & mask[:, None, None], scores, -1e30)
    out = jnp.einsum("bhts,bhsd->bhtd", jax.nn.softmax(scores), v)
    return out.transpose(0, 2, 1, 3).reshape(2, 16, 64) @ w_out


@sound(f(2, 16, 8, 32, dtype=BF16))
def rotary_in_bf16(q):
    angles = jnp.arange(16)[:, None] / 10000 ** (jnp.arange(0, 32, 2) / 32)
    cos, sin = jnp.cos(angles)[:, None].astype(q.dtype), jnp.sin(angles)[:, None].astype(q.dtype)
    a, b = jnp.split(q, 2, -1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


@sound(f(4, 8, 8, 8), f(8, 8), f(8, 8))
def tensor_network(t, a, b):
    x = jnp.einsum("ijkl,jm,kn->ilmn", t, a, b)
    y = jnp.einsum("ilmn,jlmn->ij", x, x)
    u, s, v = jnp.linalg.svd(x.reshape(32, 64), full_matrices=False)
    return y, (u[:, :8] * s[:8]) @ v[:8]


@sound(f(6, 6), f(6), f(6))
def lbfgs_like(h, g, x):
    def step(state, _):
        x, h = state
        d = -jnp.linalg.solve(h + 1e-3 * jnp.eye(6), jnp.sin(x) + g)
        s = 0.5 * d
        y = h @ s
        h = h + jnp.outer(y, y) / (y @ s + 1e-6)
        return (x + s, h), jnp.linalg.norm(d)

    (x, _), norms = lax.scan(step, (x, h), None, length=20)
    return x, norms


@sound(f(100, 2), f(5, 2))
def k_means(points, centers):
    def step(centers, _):
        d2 = jnp.sum((points[:, None] - centers[None]) ** 2, -1)
        nearest = jax.nn.one_hot(jnp.argmin(d2, -1), 5)
        count = nearest.sum(0)[:, None]
        new = nearest.T @ points / jnp.maximum(count, 1)
        return jnp.where(count > 0, new, centers), d2.min(-1).sum()

    return lax.scan(step, centers, None, length=10)


@sound(f(20, 10), f(20), f(10))
def iteratively_reweighted(x, y, w):
    def step(_, w):
        p = jax.nn.sigmoid(x @ w)
        weight = p * (1 - p)
        hessian = (x.T * weight) @ x + 1e-3 * jnp.eye(10)
        return w + jnp.linalg.solve(hessian, x.T @ (y - p))

    return lax.fori_loop(0, 8, step, w)


@sound(f(30, 8), f(8, 8), f(8))
def forward_backward(log_emissions, log_transitions, log_start):
    def forward(a, e):
        a = jax.nn.logsumexp(a[:, None] + log_transitions, 0) + e
        return a, a

    def backward(b, e):
        b = jax.nn.logsumexp(log_transitions + (b + e)[None], 1)
        return b, b

    first = log_start + log_emissions[0]
    last, alphas = lax.scan(forward, first, log_emissions[1:])
    _, betas = lax.scan(backward, jnp.zeros(8), log_emissions[1:], reverse=True)
    alphas = jnp.concatenate([first[None], alphas])
    betas = jnp.concatenate([betas, jnp.zeros((1, 8))])
    return jnp.exp(alphas + betas - jax.nn.logsumexp(last)), jax.nn.logsumexp(last)


@sound(f(12, 10), f(12, 10, dtype=BF16), f(10, dtype=INT))
def mixed_precision_step(w, x, labels):
    def loss(w):
        logits = (x @ w.astype(BF16).T).astype(jnp.float32)
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(10), labels])

    value, gradient = jax.value_and_grad(loss)(w)
    return w - 0.1 * gradient, value


@sound(f(64, 3), f(64, 3), f())
def sinkhorn(x, y, epsilon):
    cost = jnp.sum((x[:, None] - y[None]) ** 2, -1)

    def step(_, fg):
        f_, g = fg
        f_ = -epsilon * jax.nn.logsumexp((g[None] - cost) / epsilon, 1)
        return f_, -epsilon * jax.nn.logsumexp((f_[:, None] - cost) / epsilon, 0)

    f_, g = lax.fori_loop(0, 20, step, (jnp.zeros(64), jnp.zeros(64)))
    return jnp.sum(jnp.exp((f_[:, None] + g[None] - cost) / epsilon) * cost)


@sound(f(16, 4), f(4, 32), f(32, 1))
def physics_informed(points, w1, w2):
    def u(p):
        return (jnp.tanh(p @ w1) @ w2)[0]

    def residual(p):
        return jnp.trace(jax.hessian(u)(p)) - jnp.sin(p).sum()

    return jnp.mean(jax.vmap(residual)(points) ** 2) + jnp.mean(jax.vmap(u)(points) ** 2)
