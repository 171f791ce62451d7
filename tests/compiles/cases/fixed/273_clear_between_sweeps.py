# Two functions, one clear_caches() between two sweeps: both compile a second time for signatures
# that were compiled before.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def fit(params, x, rate):
    return params - rate * x.T @ (x @ params)


@jax.jit
def evaluate(params, x):
    return jnp.sum((x @ params) ** 2)


def sweep(rates):
    x = np.eye(3, dtype=np.float32)
    scores = []
    for rate in rates:
        params = fit(np.ones(3, np.float32), x, rate)
        scores.append(float(evaluate(params, x)))
    return min(scores)


first = sweep((0.1, 0.2))
second = sweep((0.3, 0.4))
print(first, second)
