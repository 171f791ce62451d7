# CONTROL: a jitted loss is called, then differentiated. Its gradient needs two further programs of
# its name (forward with residuals, backward), each compiled once and used in all later steps.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def loss(params, x):
    return jnp.mean(jnp.tanh(x @ params) ** 2)


params = np.ones(3, np.float32)
x = np.eye(3, dtype=np.float32)
print("before", float(loss(params, x)))
for _ in range(3):
    grads = jax.grad(loss)(params, x)
    params = params - 0.1 * np.asarray(grads)
print("after", float(loss(params, x)))
