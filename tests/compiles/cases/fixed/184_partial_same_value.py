# A functools.partial is a new object each time and jit does not look inside it. The rate it binds
# is the same number every epoch, so nothing but the object is new.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def step(params, x, lr):
    return params - lr * jax.grad(lambda p: jnp.sum((x @ p) ** 2))(params)


params = np.ones(3, np.float32)
x = np.eye(3, dtype=np.float32)
train = jax.jit(partial(step, lr=0.1))
for epoch in range(3):
    for _ in range(2):
        params = train(params, x)
print(np.asarray(params).shape)
