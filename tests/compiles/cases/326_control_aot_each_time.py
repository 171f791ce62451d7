# CONTROL: lower(...).compile() is written in the loop, for the same types each time. The compiled
# program comes from JAX's cache after the first turn.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def step(params, x):
    return params - 0.1 * x.T @ jnp.tanh(x @ params)


params = np.ones(3, np.float32)
for i in range(3):
    x = np.full((4, 3), 0.1 * i, np.float32)
    params = step.lower(params, x).compile()(params, x)
print(np.asarray(params).shape)
