# Shapes must be static under jit, so `shape` is a static argument: a tuple compared by value. Each
# number of particles is another value and another program.
from functools import partial

import jax
import numpy as np


@partial(jax.jit, static_argnums=(2,))
def draw(seed, scale, shape):
    return scale * jax.random.normal(jax.random.key(seed), shape)


for particles in (10, 20, 10, 30, 40):
    cloud = np.asarray(draw(np.uint32(3), np.float32(0.5), (40, 2)))[:particles]
print(np.asarray(cloud).shape)
