# A running curve is smoothed after every epoch: the history is one entry longer each time, and
# the shape is part of the type that keys jit's trace cache, so each epoch compiles.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def smooth(history, decay):
    weights = decay ** jnp.arange(history.shape[0] - 1, -1, -1)
    return jnp.sum(weights * history) / jnp.sum(weights)


rng = np.random.default_rng(0)
history = np.zeros(0, np.float32)
for epoch in range(6):
    history = np.append(history, np.float32(rng.normal()))
    value = smooth(history, 0.9)
print("smoothed", float(value))
