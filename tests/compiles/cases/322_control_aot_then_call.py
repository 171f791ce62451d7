# CONTROL: compiled ahead of time for exactly the types of the later calls: the jitted function finds
# that program in the cache.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def step(params, x):
    return params - 0.1 * x.T @ (x @ params)


params = np.ones(3, np.float32)
step.lower(params, jax.ShapeDtypeStruct((4, 3), jnp.float32)).compile()
for i in range(3):
    params = step(params, np.full((4, 3), 0.1 * i, np.float32))
print(np.asarray(params).shape)
