# A curriculum lengthens the rollout: n_steps is static because a Python loop runs over it, so
# every length is another value in the key of the cache (and another unrolled program).
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


@partial(jax.jit, static_argnames="n_steps")
def unroll(state, force, n_steps):
    for _ in range(n_steps):
        state = state + 0.1 * jnp.sin(state) + force
    return state


state = np.zeros(3, np.float32)
force = np.float32(0.2)
for n in (1, 2, 3, 4, 5):
    state = np.asarray(unroll(state, force, n_steps=n))
print(state.shape)
