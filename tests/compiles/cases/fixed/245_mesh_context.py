# The warm-up runs outside of jax.set_mesh, the loop inside: the mesh in context is part of the trace
# context, even for arrays that do not use it.
import os

os.environ["JAX_NUM_CPU_DEVICES"] = "4"
import jax
import jax.numpy as jnp
import numpy as np

mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))


@jax.jit
def mix(params, x):
    return jnp.tanh(x @ params)


params = np.ones((3, 3), np.float32)
x = np.ones((2, 3), np.float32)
with jax.set_mesh(mesh):
    mix(params, x)
    for _ in range(3):
        y = mix(params, x)
print(np.asarray(y).shape)
