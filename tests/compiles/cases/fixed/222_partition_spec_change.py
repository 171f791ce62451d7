# The first batch is split over the rows of a mesh of four devices, later ones are replicated. With
# Auto axes the sharding is not in the type (no new trace), but it keys lowering and compilation.
import os

os.environ["JAX_NUM_CPU_DEVICES"] = "4"
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))


@jax.jit
def forward(weights, x):
    return jnp.tanh(x @ weights)


weights = jax.device_put(np.ones((3, 2), np.float32), NamedSharding(mesh, P()))
x = np.ones((8, 3), np.float32)
forward(weights, jax.device_put(x, NamedSharding(mesh, P("data"))))
for _ in range(3):
    y = forward(weights, jax.device_put(x, NamedSharding(mesh, P("data"))))
print(np.asarray(y).shape)
