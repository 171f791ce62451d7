# The ahead-of-time signature declares the rate as float32; the call passes a Python float, which
# is weakly typed float32: another type.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def update(params, grads, rate):
    return jax.tree.map(lambda p, g: p - rate * g, params, grads)


params = {"w": np.ones(3, np.float32)}
grads = {"w": np.ones(3, np.float32)}
types = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), (params, grads))
update.lower(*types, jax.ShapeDtypeStruct((), jnp.float32)).compile()
for _ in range(3):
    params = update(params, grads, np.float32(0.1))
print(np.asarray(params["w"]).shape)
