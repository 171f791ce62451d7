# The matrix comes back from device_put with a column-major layout. Layouts are part of the lowering
# key: no new trace, another program.
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.layout import Format, Layout

sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])


@jax.jit
def project(matrix, x):
    return jnp.maximum(matrix @ x, 0.0)


matrix = jax.device_put(np.ones((4, 3), np.float32), sharding)
x = np.ones(3, np.float32)
project(matrix, x)
transposed = jax.device_put(matrix, Format(Layout((0, 1)), sharding))
for _ in range(2):
    y = project(transposed, x)
print(np.asarray(y).shape)
