# pmap compiles per shape like jit; the last batch has fewer rows per device.
import os

os.environ["JAX_NUM_CPU_DEVICES"] = "4"
import jax
import jax.numpy as jnp
import numpy as np


def train(params, x):
    loss = jnp.mean((x @ params) ** 2)
    return jax.lax.pmean(loss, "devices")


p_train = jax.pmap(train, axis_name="devices", in_axes=(None, 0))
params = np.ones(3, np.float32)
data = np.arange(60, dtype=np.float32).reshape(20, 3)
for start, rows in ((0, 8), (8, 8)):
    batch = data[start : start + rows].reshape(4, rows // 4, 3)
    losses = p_train(params, batch)
print(np.asarray(losses).shape)
