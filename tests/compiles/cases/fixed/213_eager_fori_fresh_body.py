# lax.fori_loop with Python bounds is a scan; the body is a closure made by each call of `power`.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def power(matrix, vector, turns=8):
    def multiply(i, v):
        v = matrix @ v
        return v / jnp.linalg.norm(v)

    return jax.lax.fori_loop(0, turns, multiply, vector)


matrix = np.array([[2.0, 1.0], [1.0, 3.0]], np.float32)
for seed in range(3):
    vector = np.random.default_rng(seed).normal(size=2).astype(np.float32)
    v = power(matrix, vector)
print(np.asarray(v).shape)
