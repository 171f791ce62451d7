# jax.jit(jax.grad(loss)) inside the training loop: the gradient is a new function each step,
# although `loss` is always the same.
import jax
import jax.numpy as jnp
import numpy as np


def loss(params, x):
    return jnp.mean((x @ params) ** 2)


params = np.ones(3, np.float32)
x = np.eye(3, dtype=np.float32)
for step in range(4):
    grads = jax.jit(jax.grad(loss))(params, x)
    params = params - 0.1 * np.asarray(grads)
print(params.shape)
