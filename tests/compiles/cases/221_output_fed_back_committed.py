# The batch is committed to a device (device_put with a device), the fresh parameters are not. The
# result is committed, because one input was, and is fed back: same trace, other commitment of
# `params`, and jit's lowering is keyed on that.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def train_step(params, batch):
    grads = jax.grad(lambda p: jnp.mean((batch["x"] @ p) ** 2))(params)
    return params - 0.1 * grads


params = np.ones(3, np.float32)
device = jax.devices()[0]
for i in range(5):
    batch = jax.device_put({"x": np.full((4, 3), i, np.float32)}, device)
    params = train_step(params, batch)
print(np.asarray(params).shape)
