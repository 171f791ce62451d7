# jax.default_matmul_precision is part of the trace context, one of the keys of jit's cache. The
# final, precise evaluation is another program.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def covariance(x):
    return x.T @ x / x.shape[0]


x = np.ones((6, 3), np.float32)
for _ in range(3):
    c = covariance(x)
with jax.default_matmul_precision("highest"):
    precise = covariance(x)
print(np.asarray(precise).shape)
