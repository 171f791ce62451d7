"""Expressions that lose their digits and stay finite: cancellation, absorption, bad condition.

Unless a case says otherwise everything is float32: eps = 1.2e-7, one rounding at most 6e-8.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults.case import fault
from tests.numerics.faults.data import f32, normal, uniform


# disc = 1e6 - 4 is exact, its root 999.998 is rounded to a multiple of 6e-5, and the numerator is
# -2e-3. The addition itself is exact (Sterbenz) and amplifies the root's error: A = 1e3 / 2e-3.
@fault("cancellation", args=lambda: (f32(1.0), f32(1e3), f32(1.0)), of=jax.jit)
def small_root_of_a_quadratic(a, b, c):
    disc = b * b - 4.0 * a * c
    root = jnp.sqrt(disc)
    numerator = -b + root  # <-
    return numerator / (2.0 * a)


# cos(x) = 1 - x^2/2 is rounded to a multiple of 6e-8, and 1 - cos(x) is as small as 5e-7: the
# subtraction is exact (Sterbenz) and amplifies cos's half ulp by 2 / x^2.
@fault("cancellation", args=lambda: (np.geomspace(1e-3, 1e-2, 16).astype(f32),), of=jax.vmap)
def versine_ratio(x):
    cosine = jnp.cos(x)
    versine = 1.0 - cosine  # <-
    return versine / (x * x)


# exp(x) near 1 carries 6e-8; x of 1e-4 is what is left: A = 1e4.
@fault("cancellation", args=lambda: (uniform(1e-5, 1e-4, 32),))
def relative_growth(rate):
    factor = jnp.exp(rate)
    growth = factor - 1.0  # <-
    return growth / rate


# E[x^2] and E[x]^2 are both 1e6 with an error of about 6e-8, i.e. 0.06; the variance is 1: A = 1e6.
@fault("cancellation", args=lambda: (1000.0 + normal(256),), of=jax.jit)
def variance_by_moments(x):
    second = jnp.mean(x * x)
    first = jnp.mean(x)
    return second - first * first  # <-


# |a|^2 + |b|^2 - 2ab with points at distance 1e3 of the origin and 1e-2 of each other: terms of
# 1e6 leave 1e-4. The second operation is the one that cancels; both stand on one line.
@fault("cancellation", args=lambda: (normal(8, 3) + 500.0,), of=jax.jit)
def pairwise_distances(points):
    squares = jnp.sum(points**2, axis=-1)
    products = points @ points.T
    distances = squares[:, None] + squares[None, :] - 2.0 * products  # <-
    return distances.sum()


# sqrt(x+1) and sqrt(x) agree in all but 1/(2x) of their value; x of 1e5: A = 2e5. x + 1 is exact
# for these x, whole numbers below 2^24.
@fault("cancellation", args=lambda: (np.arange(100_000, 100_032).astype(f32),))
def root_difference(x):
    upper = jnp.sqrt(x + 1.0)
    lower = jnp.sqrt(x)
    return upper - lower  # <-


# Heron's formula for a needle: a = b + c - 2e-4. The half perimeter is rounded to a multiple of
# 1e-6 and s - a is 1e-4, exact by Sterbenz: cancellation of the error that s brings. (s - b and
# s - c are 3 and 7.)
@fault("cancellation", args=lambda: (f32(9.9998), f32(7.0001), f32(3.0002)))
def needle_triangle(a, b, c):
    half = (a + b + c) / 2.0
    excess = half - a  # <-
    return jnp.sqrt(half * excess * (half - b) * (half - c))


# (x - 2)^9 expanded, for x around 2.4: terms of 1e4 leave 1e-4. Each Horner step adds what nearly
# cancels; the last ones amplify most.
@fault("cancellation", args=lambda: (uniform(2.3, 2.5, 16), _ninth_power()), of=jax.jit)
def expanded_polynomial(x, coefficients):
    def step(value, c):
        value = value * x + c  # <-
        return value, None

    value, _ = lax.scan(step, jnp.zeros_like(x), coefficients)
    return value


def _ninth_power():
    return np.array([1, -18, 144, -672, 2016, -4032, 5376, -4608, 2304, -512], f32)


# h is a power of two, so x + h is exact; the two values agree up to h, so their 6e-8 become
# 6e-8 / h = 5e-4 in the difference.
@fault("cancellation", args=lambda: (uniform(0.5, 0.9, 16), f32(2.0**-13)))
def finite_difference(x, h):
    ahead = jnp.sin(x + h)
    here = jnp.sin(x)
    difference = ahead - here  # <-
    return difference / h


# 1e8 + small - 1e8 in one sum: no order of float32 additions can keep numbers of order 1 beside
# 1e8 (ulp 8). sum|x| / |sum x| = 1e6 is the condition number of the reduction.
@fault("cancellation", "absorption", args=lambda: (_ledger(),), of=jax.jit)
def ledger_balance(entries):
    fees = entries * 0.99
    return jnp.sum(fees)  # <-


def _ledger():
    return np.concatenate([[1e8], uniform(0.5, 1.5, 254), [-1e8]]).astype(f32)


# det = 1e-4 out of products of 1: each product carries 6e-8, FMA keeps one of them exact; the
# inverse inherits 1e-4 and more.
@fault("cancellation", args=lambda: (np.array([[1.1, 1.3], [1.3, 1.53637]], f32),), of=jax.jit)
def inverse_of_a_singular_matrix(m):
    determinant = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]  # <-
    adjugate = jnp.array([[m[1, 1], -m[0, 1]], [-m[1, 0], m[0, 0]]])
    return adjugate / determinant


# 1 + x for x of 1e-6 keeps x to a multiple of 1.2e-7 only: the sum's rounding is 6% of x. The
# logarithm is right for the number that it is given; log1p never forms the sum.
@fault("absorption", args=lambda: (uniform(1e-6, 1e-5, 32),))
def log_of_one_plus(x):
    shifted = 1.0 + x  # <-
    return jnp.log(shifted)  # <~ ill-conditioned


# rate / periods = 1.4e-7 is about one ulp of 1: the sum rounds it to a whole ulp. The power only
# passes the relative error of `growth` on, times 365000.
@fault("absorption", args=lambda: (f32(0.05), f32(365000.0)), of=jax.jit)
def compound_interest(rate, periods):
    per_period = rate / periods
    growth = 1.0 + per_period  # <-
    return growth**periods  # <~ ill-conditioned


# ulp(1e8) = 8: offsets between 1 and 20 are rounded to 0, 8, 16, 24 when they are added. The
# subtraction that follows is exact and shows what is gone.
@fault("absorption", args=lambda: (f32(1e8), uniform(1.0, 20.0, 64)), of=jax.jit)
def clock_offsets(start, offsets):
    stamps = start + offsets  # <-
    return stamps - start  # <~ cancellation


# The Hilbert matrix of order 7 has condition 5e8; its float32 rounding is the input here, the
# same for the truth. LU's backward error of an eps becomes an error of order 1 in the solution.
@fault("ill-conditioned", args=lambda: (_hilbert(7), np.ones(7, f32)), of=jax.jit)
def hilbert_solve(matrix, right):
    return jnp.linalg.solve(matrix, right)  # <-


def _hilbert(n):
    i = np.arange(n)
    return (1.0 / (i[:, None] + i[None, :] + 1.0)).astype(f32)


# The angle between vectors that are 1e-3 apart: its cosine 1 - 5e-7 is right to 6e-8, but
# d acos / dc = 1 / sin(angle), relative condition 1 / angle^2 = 1e6.
@fault("ill-conditioned", args=lambda: (normal(3), normal(3) + 1e-3 * normal(3, seed=1)))
def angle_between(u, v):
    cosine = jnp.dot(u, v) / jnp.sqrt(jnp.dot(u, u) * jnp.dot(v, v))
    return jnp.arccos(cosine)  # <-


# The phase of 1e5 rad is right to 4e-3 rad, relatively 4e-8; the sine needs it absolutely.
@fault("ill-conditioned", args=lambda: (f32(2 * np.pi * 440.0), uniform(30.0, 60.0, 32)))
def late_sine(omega, time):
    phase = omega * time
    return jnp.sin(phase)  # <-


# The normal equations square the condition number (1e3 -> 1e6): a.T @ a is formed with a relative
# error of 1e-7, which the solve turns into 1e-1.
@fault("ill-conditioned", args=lambda: (_vandermonde(), normal(32, seed=2)), of=jax.jit)
def normal_equations(a, y):
    gram = a.T @ a
    moment = a.T @ y
    return jnp.linalg.solve(gram, moment)  # <-


def _vandermonde():
    t = np.linspace(1.0, 2.0, 32)
    return np.stack([t**k for k in range(5)], axis=1).astype(f32)


# erf(3.5) = 1 - 7e-7, rounded to a multiple of 6e-8; the difference is erfc, with one digit left.
@fault("cancellation", args=lambda: (uniform(3.0, 3.6, 16),), of=jax.jit)
def tail_probability(z):
    inside = jax.scipy.special.erf(z)
    tail = 1.0 - inside  # <-
    return 0.5 * tail


# The two exponentials are 1 + x and 1 - x for x of 1e-4: A = 1e4.
@fault("cancellation", args=lambda: (uniform(1e-5, 1e-4, 16),), of=jax.vmap)
def sinh_by_hand(x):
    up, down = jnp.exp(x), jnp.exp(-x)
    return (up - down) / 2.0  # <-


# Embeddings that are 1e-3 apart have similarity 1 - 5e-7, right to 6e-8.
@fault("cancellation", args=lambda: (normal(8), normal(8) + 1e-3 * normal(8, seed=1)), of=jax.jit)
def cosine_distance(u, v):
    similarity = u @ v / (jnp.linalg.norm(u) * jnp.linalg.norm(v))
    distance = 1.0 - similarity  # <-
    return distance * 0.5


# Forward derivative of log(1 - s) for the logistic s = 1 - 1e-6: -s' / (1 - s). The tangent s' is
# right, but the denominator has one digit.
@fault("cancellation", args=lambda: (uniform(13.0, 15.0, 4),), of=jax.jacfwd)
def slope_of_log_survival(x):
    s = 1.0 / (1.0 + jnp.exp(-x))
    survival = 1.0 - s  # <-
    return jnp.log(survival)


# 3.5 / 0.7 is 5 in float32, but float32(3.5) is a little more than 5 float32(0.7), and needs a
# sixth box: float64 sees that.
@fault("branch-divergence", args=lambda: (_volumes(), f32(0.7)), of=jax.jit)
def boxes_needed(volumes, size):
    filled = volumes / size
    boxes = jnp.ceil(filled)  # <-
    return boxes.sum()


def _volumes():
    return (np.arange(2, 60) * 0.7).astype(f32)
