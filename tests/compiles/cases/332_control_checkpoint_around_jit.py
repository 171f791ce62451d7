# CONTROL: a jitted layer, used twice inside jax.checkpoint, whose gradient is taken op by op. The
# layer has several programs (forward, recomputed forward, backward), all of the first turn.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def layer(x):
    return jnp.tanh(x) * 2.0


def block(x):
    return jax.checkpoint(lambda y: layer(layer(y)))(x).sum()


x = np.ones(3, np.float32)
for _ in range(4):
    x = x - 0.1 * np.asarray(jax.grad(block)(x))
print(x.shape)
