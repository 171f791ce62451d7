# CONTROL: jax.jit(f) is written at every call, but f is one function at module level: all wrappers
# share the cache of f. Wasteful to read, not to run.
import jax
import jax.numpy as jnp
import numpy as np


def f(x, scale):
    return jnp.sin(x) * scale


def run(x):
    return jax.jit(f)(x, np.float32(3.0))


for i in range(4):
    y = run(np.full(5, i, np.float32))
print(np.asarray(y).shape)
