# CONTROL: the gradient of a plain function, op by op, on batches of two sizes: a few small programs
# for the second size, fewer than any jit would be worth.
import jax
import jax.numpy as jnp
import numpy as np


def loss(params, x):
    return jnp.mean((x @ params) ** 2)


params = np.ones(3, np.float32)
for rows in (4, 4, 5, 4, 5):
    grads = jax.grad(loss)(params, np.ones((rows, 3), np.float32))
    params = params - 0.1 * np.asarray(grads)
print(params.shape)
