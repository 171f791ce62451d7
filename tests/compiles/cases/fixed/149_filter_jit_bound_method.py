# eqx.filter_jit(model.predict): the method carries the module along, whose Python float is a static
# leaf. It is another one in each of the three models.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


class Calibrated(eqx.Module):
    weight: jax.Array
    offset: jax.Array

    def predict(self, x):
        return jax.nn.sigmoid(x @ self.weight + self.offset)


x = np.ones((4, 3), np.float32)
for offset in (0.0, 0.5, 1.0):
    model = Calibrated(np.ones(3, np.float32), np.float32(offset))
    for _ in range(2):
        y = eqx.filter_jit(model.predict)(x)
print(np.asarray(y).shape)
