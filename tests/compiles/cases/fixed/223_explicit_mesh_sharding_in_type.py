# With explicit mesh axes the sharding is part of the array's type: another PartitionSpec is a new
# trace as well as a new program.
import os

os.environ["JAX_NUM_CPU_DEVICES"] = "4"
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))


@jax.jit
def scale(table, factor):
    return {name: factor * jnp.exp(column) for name, column in table.items()}


def load(spec):
    columns = {"a": np.zeros((8, 4), np.float32), "b": np.zeros((8, 4), np.float32)}
    return {
        "a": jax.device_put(columns["a"], NamedSharding(mesh, P("data", None))),
        "b": jax.device_put(columns["b"], NamedSharding(mesh, spec)),
    }


for spec in (P("data", None), P("data", None), P("data", None)):
    out = scale(load(spec), np.float32(2.0))
print(sorted(out))
