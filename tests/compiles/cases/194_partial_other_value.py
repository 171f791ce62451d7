# jax.jit(partial(f, temperature=t)): the bound value is a constant of a new function object, and it
# is another one each time.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def attend(query, keys, temperature):
    return jax.nn.softmax(keys @ query / temperature)


query, keys = np.ones(3, np.float32), np.ones((5, 3), np.float32)
for temperature in (1.0, 0.5, 0.25):
    attention = jax.jit(partial(attend, temperature=temperature))
    weights = attention(query, keys)
print(np.asarray(weights).shape)
