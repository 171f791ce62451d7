# An array made hashable by a small wrapper, to pass it as a static argument. The wrapper hashes by
# value but forgets __eq__, so equal wrappers are never equal.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


class Hashable:
    def __init__(self, array):
        self.array = array

    def __hash__(self):
        return hash(self.array.tobytes())

    def __eq__(self, other):
        return isinstance(other, Hashable) and np.array_equal(self.array, other.array)


@partial(jax.jit, static_argnames="weights")
def stencil(u, weights):
    return sum(w * jnp.roll(u, k) for k, w in enumerate(weights.array))


u = np.arange(6, dtype=np.float32)
for _ in range(3):
    u = stencil(u, weights=Hashable(np.array([0.25, 0.5, 0.25], np.float32)))
print(np.asarray(u).shape)
