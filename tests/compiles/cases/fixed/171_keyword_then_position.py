# jit's key holds how the arguments came: `rate` by keyword in the warm-up, by position in the loop.
# Same values and types, two compiles.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def decay(params, rate):
    return jax.tree.map(lambda p: p * jnp.exp(-rate), params)


params = {"a": np.ones(3, np.float32), "b": np.ones(2, np.float32)}
rate = np.float32(0.1)
decay(params, rate)
for _ in range(3):
    params = decay(params, rate)
print(np.asarray(params["a"]).shape)
