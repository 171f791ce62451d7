# CONTROL: per-example gradients of a jitted loss with vmap(grad(...)) outside, written anew at each
# call: the jitted function's own programs are found again all the same.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def loss(params, x):
    return jnp.tanh(params @ x)


params = np.ones(3, np.float32)
for i in range(3):
    xs = np.full((5, 3), i, np.float32)
    grads = jax.vmap(jax.grad(loss), in_axes=(None, 0))(params, xs)
print(np.asarray(grads).shape)
