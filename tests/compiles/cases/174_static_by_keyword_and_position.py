# A static argument, once by keyword and once by position. The value is the same; where it stands is
# part of the key.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


@partial(jax.jit, static_argnums=(1,), static_argnames=("width",))
def smooth(x, width):
    return jnp.convolve(x, jnp.ones(width) / width, mode="same")


x = np.arange(8, dtype=np.float32)
for i in range(4):
    y = smooth(x, width=3) if i % 2 else smooth(x, 3)
print(np.asarray(y).shape)
