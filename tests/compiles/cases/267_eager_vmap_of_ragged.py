# jax.vmap of a plain Python function, without jit: its operations run one by one on the whole batch,
# and each batch size is a program per operation.
import jax
import jax.numpy as jnp
import numpy as np


def descriptor(point):
    return jnp.sum(jnp.sin(point))


describe = jax.vmap(descriptor)
clouds = [np.ones((n, 3), np.float32) for n in (4, 6, 8, 10, 12)]
for cloud in clouds:
    d = describe(cloud)
print(np.asarray(d).shape)
