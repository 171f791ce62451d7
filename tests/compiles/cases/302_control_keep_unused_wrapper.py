# CONTROL: two wrappers of one function, one with keep_unused=True. That option is not in the key of
# jit's fast path, which both wrappers share, so the second one uses the first one's program.
import jax
import jax.numpy as jnp
import numpy as np


def reward(state, action, noise):
    return -jnp.sum(state**2) - 0.1 * jnp.sum(action**2)


simulated = jax.jit(reward)
logged = jax.jit(reward, keep_unused=True)
state, action, noise = (np.full(n, 0.5, np.float32) for n in (4, 2, 3))
for _ in range(3):
    a = simulated(state, action, noise)
    b = logged(state, action, noise)
print(float(a), float(b))
