# flax.nnx.jit keys its cache on shapes too: the last, smaller batch compiles the step again.
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Regressor(nnx.Module):
    def __init__(self, features):
        self.kernel = nnx.Param(jnp.asarray(np.zeros(features, np.float32)))

    def __call__(self, x):
        return x @ self.kernel[...]


@nnx.jit
def train_step(model, x, y):
    def loss_fn(model):
        return jnp.mean((model(x) - y) ** 2)

    loss, grads = nnx.value_and_grad(loss_fn)(model)
    model.kernel[...] = model.kernel[...] - 0.1 * grads.kernel[...]
    return loss


model = Regressor(5)
rng = np.random.default_rng(0)
X = rng.normal(size=(44, 5)).astype(np.float32)
Y = rng.normal(size=44).astype(np.float32)
for start in range(0, 44 - 15, 16):
    loss = train_step(model, X[start : start + 16], Y[start : start + 16])
print("loss", float(loss) > 0)
