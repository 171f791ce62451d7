# jit of value_and_grad of a partial, built in a helper for every call. The partial binds the same
# numbers each time; the wrapped result is a new function.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def energy(positions, *, stiffness):
    return 0.5 * stiffness * jnp.sum((positions[1:] - positions[:-1]) ** 2)


def forces(positions):
    value, grads = jax.jit(jax.value_and_grad(partial(energy, stiffness=2.0)))(positions)
    return value, -grads


positions = np.arange(5, dtype=np.float32)
for _ in range(3):
    value = forces(positions)[0]
print(float(value))
