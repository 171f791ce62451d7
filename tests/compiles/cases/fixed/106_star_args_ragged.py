# A function of any number of arrays: only the second one has another length in the last round.
# The other arguments keep their types; one changed type is enough for a new key.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def combine(scale, *columns):
    return scale * sum(jnp.mean(column) for column in columns)


scale = np.float32(0.5)
first = np.arange(8, dtype=np.float32)
for length in (10, 10, 10):
    second = np.ones(length, np.float32)
    value = combine(scale, first, second)
print(float(value))
