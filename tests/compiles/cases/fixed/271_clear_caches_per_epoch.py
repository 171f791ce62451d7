# jax.clear_caches() at the end of each epoch, against a suspected memory leak: everything compiles
# again in the next epoch.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def train_step(params, x):
    return params - 0.1 * jax.grad(lambda p: jnp.mean((x @ p) ** 2))(params)


params = np.ones(3, np.float32)
x = np.eye(3, dtype=np.float32)
for epoch in range(3):
    for _ in range(2):
        params = train_step(params, x)
print(np.asarray(params).shape)
