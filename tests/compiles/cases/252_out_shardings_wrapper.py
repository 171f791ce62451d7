# One wrapper leaves the output sharding to the compiler, the other one asks for a replicated
# result: jit's out_shardings are part of the lowering key.
import os

os.environ["JAX_NUM_CPU_DEVICES"] = "4"
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))


def gather(x):
    return x - jnp.mean(x, axis=0)


x = jax.device_put(np.ones((8, 2), np.float32), NamedSharding(mesh, P("data")))
quick = jax.jit(gather)
replicated = jax.jit(gather, out_shardings=NamedSharding(mesh, P()))
a = quick(x)
for _ in range(3):
    b = replicated(x)
print(np.asarray(a).shape, np.asarray(b).shape)
