# jax.jit(jax.hessian(f)) at each Newton step: two nested derivatives, rebuilt each time.
import jax
import jax.numpy as jnp
import numpy as np


def potential(x):
    return jnp.sum(x**4 - 2.0 * x**2) + 0.1 * jnp.sum(x[1:] * x[:-1])


x = np.full(3, 1.5, np.float32)
gradient = jax.jit(jax.grad(lambda x: potential(x)))
for newton_step in range(3):
    H = np.asarray(jax.jit(jax.hessian(potential))(x))
    x = x - np.linalg.solve(H, np.asarray(gradient(x)))
print(x.shape)
