# jax.value_and_grad outside, jit inside. For each shape of the batch JAX compiles two programs of
# the jitted loss (forward with residuals, backward); the smaller last batch costs two more.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def loss(params, x, y):
    return jnp.mean((jnp.tanh(x @ params) - y) ** 2)


params = np.ones(3, np.float32)
X = np.linspace(0, 1, 60, dtype=np.float32).reshape(20, 3)
Y = np.ones(20, np.float32)
for start in range(0, 20 - 7, 8):
    stop = start + 8
    value, grads = jax.value_and_grad(loss)(params, X[start:stop], Y[start:stop])
    params = params - 0.1 * np.asarray(grads)
print(params.shape)
