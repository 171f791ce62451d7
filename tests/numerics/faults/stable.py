"""Sound twins of the faults: what looks suspicious here loses nothing that the result needs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults.case import stable
from tests.numerics.faults.data import bf16, f32, normal, uniform


# The twin of `log_of_one_plus` and `relative_growth`: the functions made for it.
@stable(args=lambda: (uniform(1e-6, 1e-5, 32),))
def growth_done_right(x):
    return jnp.log1p(x) / x + jnp.expm1(x) / x


# The twin of `versine_ratio`: 1 - cos x = 2 sin(x/2)^2.
@stable(args=lambda: (np.geomspace(1e-3, 1e-2, 16).astype(f32),), of=jax.vmap)
def versine_by_half_angle(x):
    half = jnp.sin(0.5 * x)
    return 2.0 * half * half / (x * x)


# The subtraction of the maximum cancels, exactly where it does (the greatest logit gives 0); many
# of the exponentials underflow beside 1, which is all that they should do.
@stable(args=lambda: (normal(8, 16, scale=100.0),), of=jax.jit)
def shifted_logsumexp(logits):
    top = logits.max(-1, keepdims=True)
    weights = jnp.exp(logits - top)
    return jnp.log(weights.sum(-1)) + top[:, 0]


# Cross entropy of logits of ordinary size, with its gradient.
@stable(args=lambda: (normal(16, 10, scale=3.0), np.arange(16) % 10), of=jax.value_and_grad)
def softmax_cross_entropy(logits, labels):
    log_p = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(log_p, labels[:, None], axis=-1)
    return -picked.mean()


# The twin of `variance_by_moments`: x - mean cancels too, but x is exact and the mean's error, far
# below the spread, enters squared.
@stable(args=lambda: (100.0 + normal(256),), of=jax.jit)
def two_pass_variance(x):
    centred = x - jnp.mean(x)
    return jnp.mean(centred * centred)


# Welford: the increments are differences of near numbers, whose errors the averaging leaves small.
@stable(args=lambda: (20.0 + normal(128, seed=5),), of=jax.jit)
def welford(samples):
    def update(state, sample):
        count, mean, m2 = state
        count = count + 1.0
        delta = sample - mean
        mean = mean + delta / count
        return (count, mean, m2 + delta * (sample - mean)), None

    zero = jnp.zeros_like(samples[0])
    (count, mean, m2), _ = lax.scan(update, (zero, zero, zero), samples)
    return mean, m2 / (count - 1.0)


# The twin of `clock_by_steps`: each addition swallows digits, and the compensation has them. Its
# own value is rounding noise around zero by design.
@stable(args=lambda: (f32(0.1),), of=jax.jit)
def kahan_clock(dt):
    def tick(_, state):
        time, lost = state
        wanted = dt - lost
        later = time + wanted
        return later, (later - time) - wanted

    return lax.fori_loop(0, 20_000, tick, (jnp.zeros_like(dt), jnp.zeros_like(dt)))[0]


# Dot2 of Ogita, Rump and Oishi: products and sums with their rounding errors (Dekker's split). The
# sum is of condition 1e5; the errors that are carried along repair it.
@stable(args=lambda: _ill_conditioned_dot(), of=jax.jit)
def compensated_dot(a, b):
    def split(x):
        big = 4097.0 * x
        high = big - (big - x)
        return high, x - high

    def step(state, pair):
        total, error = state
        x, y = pair
        product = lax.optimization_barrier(x * y)
        (xh, xl), (yh, yl) = split(x), split(y)
        rest = xl * yl - (((product - xh * yh) - xl * yh) - xh * yl)
        later = total + product
        shift = later - total
        error = error + ((total - (later - shift)) + (product - shift) + rest)
        return (later, error), None

    zero = jnp.zeros_like(a[0])
    (total, error), _ = lax.scan(step, (zero, zero), (a, b))
    return total + error


def _ill_conditioned_dot():
    a, b = normal(64, scale=300.0), normal(64, seed=1, scale=300.0)
    return np.concatenate([a, a, [1.0]]).astype(f32), np.concatenate([b, -b, [40.0]]).astype(f32)


# sum(x - mean) is 0 in theory: what is left is rounding noise of 1e-5 beside terms of order 100.
@stable(args=lambda: (100.0 + normal(64),), of=jax.jit, scale=100.0)
def centred_sum(x):
    centred = x - x.mean()
    return centred.sum()


# The residual of a solved system is 0 in theory, noise of an eps of its terms in practice.
@stable(args=lambda: (_well_conditioned(), normal(8)), of=jax.jit, scale=1.0)
def residual_of_solution(matrix, right):
    solution = jnp.linalg.solve(matrix, right)
    return right - matrix @ solution


def _well_conditioned():
    return (np.eye(8) + 0.05 * normal(8, 8)).astype(f32)


# Differences of given numbers are exact (Sterbenz): cancellation hurts only what is rounded before.
@stable(args=lambda: (f32(1000.0) + uniform(0.0, 1.0, 32),), of=jax.jit)
def increments_of_given_numbers(samples):
    steps = samples[1:] - samples[:-1]
    return jnp.abs(steps)


# The twin of `small_root_of_a_quadratic`: the sign of the root is that of b, the other by Vieta.
@stable(args=lambda: (f32(1.0), f32(1e3), f32(1.0)), of=jax.jit)
def both_roots(a, b, c):
    root = jnp.sqrt(b * b - 4.0 * a * c)
    q = -0.5 * (b + jnp.copysign(root, b))
    return jnp.stack([q / a, c / q])


# The twin of `half_norm` in float32: 1e30 squared would overflow, so the greatest is taken out.
@stable(args=lambda: (normal(16, scale=1e30),), of=jax.jit)
def scaled_norm(x):
    greatest = jnp.abs(x).max()
    ratio = x / greatest
    return greatest * jnp.sqrt(jnp.sum(ratio * ratio))


# The tails of a Gaussian underflow, and are meant to: beside the centre they are nothing.
@stable(args=lambda: (np.linspace(-20.0, 20.0, 41).astype(f32),), of=jax.jit)
def gaussian_kernel(x):
    density = jnp.exp(-x * x)
    return density / density.sum()


# The twin of `root_behind_where`: the argument is made safe before the root, too.
@stable(args=lambda: (np.array([0.0, 0.25, 4.0, 0.0], f32),), of=jax.value_and_grad)
def guarded_root(x):
    positive = x > 0
    safe = jnp.where(positive, x, 1.0)
    return jnp.where(positive, jnp.sqrt(safe), 0.0).sum()


# The twin of `capped_exponential`.
@stable(args=lambda: (np.array([1.0, 200.0, -3.0], f32),), of=jax.value_and_grad)
def guarded_exponential(x):
    small = jnp.exp(jnp.minimum(x, 10.0))
    return jnp.where(x < 10.0, small, 1.0 + x).sum()


# Attention with a causal mask of -inf: infinities that are meant, and exp(-inf) = 0 with them.
@stable(args=lambda: tuple(normal(6, 4, seed=i) for i in range(3)), of=jax.jit)
def causal_attention(q, k, v):
    scores = q @ k.T / 2.0
    seen = jnp.tril(jnp.ones((6, 6), bool))
    masked = jnp.where(seen, scores, -jnp.inf)
    return jax.nn.softmax(masked, axis=-1) @ v


# The twin of `layer_norm_by_moments`: bf16 in and out, float32 between.
@stable(args=lambda: (normal(4, 64, dtype=bf16), np.ones(64, bf16)), of=jax.jit)
def layer_norm(x, gain):
    full = x.astype(jnp.float32)
    centred = full - full.mean(-1, keepdims=True)
    scale = lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5)
    return (centred * scale).astype(x.dtype) * gain


# The twin of `segment_totals`: bf16 numbers, added up in float32.
@stable(args=lambda: (uniform(0.5, 1.0, 4096, dtype=bf16),), of=jax.jit)
def bf16_total(values):
    full = lax.reduce_sum(values.astype(jnp.float32), (0,))
    return full.astype(values.dtype)


# Comparisons that could flip, with nothing near enough to do so: order and selection are the same.
@stable(args=lambda: (normal(64),), of=jax.jit)
def sorted_and_selected(scores):
    scaled = scores * 3.0
    ranked = jnp.sort(scaled)
    best, where = lax.top_k(scaled, 5)
    return ranked, best, where, jnp.median(scaled)


# Random numbers are the same in both precisions: they are bits, not reals.
@stable(args=lambda: (jax.random.key(0), normal(32)), of=jax.jit)
def random_walk(key, start):
    kicks = jax.random.normal(key, (20, 32), jnp.float32)
    heads = jax.random.bernoulli(key, jnp.float32(0.5), (32,))
    return jnp.where(heads, start + kicks.sum(0), start)


# Integers have no rounding: overflow of a hash is meant.
@stable(args=lambda: (np.arange(64, dtype=np.uint32),), of=jax.jit)
def integer_hash(x):
    x = (x ^ (x >> 16)) * jnp.uint32(0x45D9F3B)
    x = (x ^ (x >> 16)) * jnp.uint32(0x45D9F3B)
    return x ^ (x >> 16), jnp.bincount(x % 8, length=8)


# Newton's iteration stops by a tolerance well above eps: the same number of steps, and it corrects
# the errors of earlier steps.
@stable(args=lambda: (uniform(0.5, 4.0, 8),), of=jax.vmap)
def newton_root(x):
    def off(y):
        return jnp.abs(y * y - x) > 1e-3 * x

    def improve(y):
        return 0.5 * (y + x / y)

    return improve(lax.while_loop(off, improve, x))


# Power iteration: normalised in each step, what is lost in one is won back in the next.
@stable(args=lambda: (_symmetric(), np.ones(6, f32)), of=jax.jit)
def power_iteration(matrix, start):
    def step(_, v):
        w = matrix @ v
        return w / jnp.linalg.norm(w)

    v = lax.fori_loop(0, 60, step, start)
    return v @ matrix @ v


def _symmetric():
    m = normal(6, 6)
    return (m @ m.T + 6.0 * np.eye(6)).astype(f32)


# The classical Runge-Kutta method for an oscillator: a loop whose steps are larger than its errors.
@stable(args=lambda: (np.array([1.0, 0.0], f32), f32(0.05)), of=jax.jit)
def runge_kutta(state, dt):
    def slope(s):
        return jnp.stack([s[1], -s[0]])

    def step(s, _):
        k1 = slope(s)
        k2 = slope(s + dt / 2 * k1)
        k3 = slope(s + dt / 2 * k2)
        k4 = slope(s + dt * k3)
        return s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4), s

    return lax.scan(step, state, None, length=100)


# The twin of `expanded_polynomial`: positive terms only.
@stable(args=lambda: (uniform(0.1, 1.0, 16), np.arange(1, 9).astype(f32)), of=jax.jit)
def positive_polynomial(x, coefficients):
    value, _ = lax.scan(lambda v, c: (v * x + c, None), jnp.zeros_like(x), coefficients)
    return value


# Complex numbers between: a low pass by the Fourier transform.
@stable(args=lambda: (normal(64),), of=jax.jit)
def low_pass(signal):
    spectrum = jnp.fft.rfft(signal)
    kept = jnp.where(jnp.arange(33) < 8, spectrum, 0.0)
    return jnp.fft.irfft(kept, 64)


# Padding by the most negative number, not -inf, and a mean over what is there.
@stable(args=lambda: (normal(4, 8), np.arange(8) < 5), of=jax.value_and_grad)
def padded_pooling(scores, mask):
    lowest = jnp.finfo(scores.dtype).min
    weights = jax.nn.softmax(jnp.where(mask, scores, lowest), axis=-1)
    counted = jnp.where(mask, scores, 0.0).sum() / mask.sum()
    return (weights * scores).sum() + counted


# The twin of `bin_edges`: no position is near an edge.
@stable(args=lambda: (np.arange(20).astype(f32) * f32(0.1) + f32(0.04), f32(0.1)), of=jax.jit)
def histogram(x, width):
    index = jnp.floor(x / width).astype(jnp.int32)
    return jnp.zeros(20, x.dtype).at[index].add(x)


# A dense layer in bf16 as accelerators run it, with the softmax of jax.nn.
@stable(args=lambda: (normal(8, 32, dtype=bf16), normal(32, 10, scale=0.2, dtype=bf16)), of=jax.jit)
def bf16_classifier(x, weights):
    logits = jnp.dot(x, weights, preferred_element_type=jnp.float32)
    return jax.nn.softmax(logits).astype(x.dtype)


# The twin of `normal_equations`: a positive definite matrix far from singular.
@stable(args=lambda: (_symmetric(), normal(6)), of=jax.jit)
def cholesky_solve(matrix, right):
    factor = jax.scipy.linalg.cho_factor(matrix)
    return jax.scipy.linalg.cho_solve(factor, right)


# The twin of `unscaled_half_loss`: float16 with a loss scale, taken out in float32.
@stable(args=lambda: (uniform(0.5, 1.0, 64).astype(np.float16), f32(1024.0)), of=jax.jit)
def scaled_half_gradient(predictions, scale):
    def loss(p):
        return scale * jnp.mean(p.astype(jnp.float32) ** 2)

    return jax.grad(loss)(predictions).astype(jnp.float32) / scale
