# The state starts with the Python int 0 (weakly typed int32) and comes back as a strongly typed
# int32, because a strong int32 was added to it: the second call has another key.
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class FilterState(NamedTuple):
    mean: jax.Array
    count: jax.Array


@jax.jit
def filter_step(state, value, arrived):
    count = state.count + arrived
    mean = state.mean + arrived * (value - state.mean) / jnp.maximum(count, 1)
    return FilterState(mean, count)


state = FilterState(np.zeros(2, np.float32), 0)
for i in range(5):
    state = filter_step(state, np.full(2, i, np.float32), np.int32(1))
print(int(state.count))
