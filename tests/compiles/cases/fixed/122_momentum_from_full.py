# jnp.full((4,), 0.0, jnp.float32) without a dtype takes the weak type of the Python scalar 0.0, with a shape of
# [4]; after one step the momentum is strongly typed. Same dtype, same shape, another key.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def momentum_step(params, momentum, grads):
    momentum = 0.9 * momentum + grads
    return params - 0.01 * momentum, momentum


params = np.ones(4, np.float32)
momentum = jnp.full((4,), 0.0, jnp.float32)
for i in range(4):
    grads = np.full(4, i, np.float32)
    params, momentum = momentum_step(params, momentum, grads)
print(np.asarray(params).shape)
