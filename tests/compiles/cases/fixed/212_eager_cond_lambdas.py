# lax.cond outside jit with lambdas as branches: two new functions per call, one program per call.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def project(x, limit):
    norm = jnp.linalg.norm(x)
    return jax.lax.cond(norm > limit, lambda v: v * 0.5, lambda v: v + 0.0, x)


x = np.full(3, 8.0, np.float32)
for i in range(4):
    x = np.asarray(project(x, 1.0))
print(x.shape)
