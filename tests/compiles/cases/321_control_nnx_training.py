# CONTROL: an ordinary Flax NNX loop: nnx.jit, an nnx.Linear, plain gradient steps.
import jax.numpy as jnp
import numpy as np
from flax import nnx


@nnx.jit
def train_step(model, x, y):
    def loss_fn(model):
        return jnp.mean((model(x) - y) ** 2)

    loss, grads = nnx.value_and_grad(loss_fn)(model)
    model.kernel[...] = model.kernel[...] - 0.1 * grads["kernel"][...]
    return loss


model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
for i in range(4):
    loss = train_step(model, np.full((4, 3), i, np.float32), np.zeros((4, 2), np.float32))
print(float(loss) >= 0)
