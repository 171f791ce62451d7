# The trajectory is collected by concatenating eagerly: each step has other input and output
# shapes, and each is a program.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def advance(state):
    return state + 0.1 * jnp.cos(state)


state = np.zeros((1, 3), np.float32)
trajectory = [state]
for step in range(6):
    state = advance(state)
    trajectory.append(np.asarray(state))
print(np.concatenate(trajectory).shape)
