# The parameters start on one device without a sharding and come back from a step whose batch is
# sharded: they live on the mesh then. One device against four: another type of sharding, so the
# second step is compiled for other input shardings.
import os

os.environ["JAX_NUM_CPU_DEVICES"] = "4"
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
by_rows = NamedSharding(mesh, P("data"))


@jax.jit
def sgd(params, x):
    grads = jax.grad(lambda p: jnp.mean((x @ p["w"]) ** 2))(params)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)


params = {"w": np.ones(3, np.float32)}
for step in range(4):
    x = jax.device_put(np.full((8, 3), step, np.float32), by_rows)
    params = sgd(params, x)
print(np.asarray(params["w"]).shape)
