# A curriculum lengthens the rollout: n_steps is static because a Python loop runs over it, so
# every length is another value in the key of the cache (and another unrolled program).
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def unroll(state, force, n_steps):
    return jax.lax.fori_loop(0, n_steps, lambda i, s: s + 0.1 * jnp.sin(s) + force, state)


state = np.zeros(3, np.float32)
force = np.float32(0.2)
for n in (1, 2, 3, 4, 5):
    state = np.asarray(unroll(state, force, n_steps=n))
print(state.shape)
