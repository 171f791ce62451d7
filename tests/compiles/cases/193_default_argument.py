# The idiom against late binding, `weight=weight`, freezes a Python float as a default: each turn
# makes a new function whose default is another constant.
import jax
import jax.numpy as jnp
import numpy as np

params = np.arange(4, dtype=np.float32)
losses = []
for weight in (0.0, 0.1, 1.0):

    @jax.jit
    def penalised(params, weight=weight):
        return jnp.sum(params**2) + weight * jnp.sum(jnp.abs(params))

    losses.append(float(penalised(params)))
print(losses)
