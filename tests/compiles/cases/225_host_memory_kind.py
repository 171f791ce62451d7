# The embedding table is moved to pinned host memory after the warm-up. The memory space is part
# of an array's type (and of its sharding).
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

device = jax.devices()[0]
on_device = SingleDeviceSharding(device)
on_host = SingleDeviceSharding(device, memory_kind="pinned_host")


@jax.jit
def apply(x, table):
    return x + 1.0, table


table = jax.device_put(np.ones((4, 2), np.float32), on_device)
x = jax.device_put(np.ones(3, np.float32), on_device)
apply(x, table)
offloaded = jax.device_put(table, on_host)
for _ in range(2):
    y, _ = apply(x, offloaded)
print(np.asarray(y).shape)
