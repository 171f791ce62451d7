# The function is defined once and the weight is passed.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def penalised(params, weight):
    return jnp.sum(params**2) + weight * jnp.sum(jnp.abs(params))


params = np.arange(4, dtype=np.float32)
losses = []
for weight in (0.0, 0.1, 1.0):
    losses.append(float(penalised(params, weight)))
print(losses)
