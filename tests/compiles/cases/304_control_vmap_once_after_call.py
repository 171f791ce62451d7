# CONTROL: a jitted function is called on one example, then mapped over a batch of one size. The
# batched function is another program, compiled once.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def score(weights, features):
    return jnp.tanh(weights @ features).sum()


weights = np.ones((3, 4), np.float32)
single = score(weights, np.ones(4, np.float32))
for i in range(3):
    batch = np.full((6, 4), i, np.float32)
    scores = jax.vmap(score, in_axes=(None, 0))(weights, batch)
print(float(single), np.asarray(scores).shape)
