# jax.jit(model.apply) in the evaluation loop: `model.apply` is a new bound method each time. JAX's
# own explanation says nothing, because the function is a library's.
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


class Head(nn.Module):
    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", lambda key, shape: jnp.ones(shape), (3,))
        return jnp.tanh(x * scale)


model = Head()
variables = {"params": {"scale": np.ones(3, np.float32)}}
for i in range(3):
    y = jax.jit(model.apply)(variables, np.full((2, 3), i, np.float32))
print(np.asarray(y).shape)
