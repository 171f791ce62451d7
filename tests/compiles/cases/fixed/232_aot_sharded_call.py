# Compiled ahead of time from a ShapeDtypeStruct without a sharding; the real arrays are sharded
# over a mesh, which is another type of input.
import os

os.environ["JAX_NUM_CPU_DEVICES"] = "4"
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
sharding = NamedSharding(mesh, P("data"))


@jax.jit
def energy(positions, mass):
    return mass * jnp.sum(positions**2)


mass = jax.device_put(np.float32(2.0), NamedSharding(mesh, P()))
energy.lower(jax.ShapeDtypeStruct((8, 3), jnp.float32, sharding=sharding), mass).compile()
positions = jax.device_put(np.ones((8, 3), np.float32), sharding)
for _ in range(3):
    value = energy(positions, mass)
print(float(value))
