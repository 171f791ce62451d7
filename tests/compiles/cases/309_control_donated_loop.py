# CONTROL: the parameters are donated and replaced by the result, five times: one program.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


@partial(jax.jit, donate_argnums=0)
def train_step(params, x):
    grads = jax.grad(lambda p: jnp.mean((x @ p["w"]) ** 2))(params)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)


params = {"w": jnp.asarray(np.ones(3, np.float32))}
for i in range(5):
    params = train_step(params, np.full((4, 3), i, np.float32))
print(np.asarray(params["w"]).shape)
