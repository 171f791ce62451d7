# One jitted function on clouds padded to one size.
import jax
import jax.numpy as jnp
import numpy as np


def descriptor(point):
    return jnp.sum(jnp.sin(point))


describe = jax.jit(jax.vmap(descriptor))
clouds = [np.ones((n, 3), np.float32) for n in (4, 6, 8, 10, 12)]
for cloud in clouds:
    padded = np.zeros((12, 3), np.float32)
    padded[: len(cloud)] = cloud
    d = np.asarray(describe(padded))[: len(cloud)]
print(d.shape)
