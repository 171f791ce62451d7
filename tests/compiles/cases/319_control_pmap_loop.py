# CONTROL: pmap of one function over batches of one shape: one program.
import os

os.environ["JAX_NUM_CPU_DEVICES"] = "4"
import jax
import jax.numpy as jnp
import numpy as np


def train(params, x):
    return jax.lax.pmean(jnp.mean((x @ params) ** 2), "devices")


p_train = jax.pmap(train, axis_name="devices", in_axes=(None, 0))
params = np.ones(3, np.float32)
for i in range(3):
    losses = p_train(params, np.full((4, 2, 3), i, np.float32))
print(np.asarray(losses).shape)
