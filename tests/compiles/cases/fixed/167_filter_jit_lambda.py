# eqx.filter_jit keeps a function argument as a static leaf, compared by identity; a lambda written
# at the call is a new one each time.
import equinox as eqx
import jax.numpy as jnp
import numpy as np


@eqx.filter_jit
def transform(weights, x, activation):
    return activation(x @ weights)


def twice_tanh(h):
    return jnp.tanh(h) * 2.0


weights = np.ones((3, 3), np.float32)
x = np.ones((2, 3), np.float32)
for _ in range(3):
    y = transform(weights, x, twice_tanh)
print(np.asarray(y).shape)
