# The same function is jitted twice: with donation for the training loop, without it for a dry run.
# Donation is part of the compiled program (the trace is shared).
import jax
import jax.numpy as jnp
import numpy as np


def train_step(params, x):
    return params - 0.1 * jax.grad(lambda p: jnp.mean((x @ p) ** 2))(params)


params = jnp.asarray(np.ones(3, np.float32))
x = np.eye(3, dtype=np.float32)
fast_step = jax.jit(train_step, donate_argnums=0)
params = fast_step(params, x)
for _ in range(3):
    params = fast_step(params, x)
print(np.asarray(params).shape)
