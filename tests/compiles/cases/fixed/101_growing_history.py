# A running curve is smoothed after every epoch: the history is one entry longer each time, and
# the shape is part of the type that keys jit's trace cache, so each epoch compiles.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def smooth(history, filled, decay):
    age = filled - 1 - jnp.arange(history.shape[0])
    weights = jnp.where(age >= 0, decay**age, 0.0)
    return jnp.sum(weights * history) / jnp.sum(weights)


rng = np.random.default_rng(0)
history = np.zeros(6, np.float32)
for epoch in range(6):
    history[epoch] = rng.normal()
    value = smooth(history, np.int32(epoch + 1), 0.9)
print("smoothed", float(value))
