# jax.jit(model.apply) in the loop, for an Equinox module without arrays (its hash is that of its
# fields). Equal bound methods, but JAX's cache holds them weakly, and each one dies after its call.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


class Scaler(eqx.Module):
    factor: float

    def apply(self, x):
        return jnp.tanh(self.factor * x)


model = Scaler(2.0)
apply = jax.jit(model.apply)
for i in range(3):
    y = apply(np.full(4, i, np.float32))
print(np.asarray(y).shape)
