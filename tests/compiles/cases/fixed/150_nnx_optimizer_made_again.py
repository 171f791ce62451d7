# An nnx.Optimizer keeps its optax transformation, two closures, in the graph definition. Made again
# for each epoch, it has the same state and another graph definition.
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx


@nnx.jit
def train_step(model, optimizer, x):
    grads = nnx.grad(lambda m: jnp.mean(m(x) ** 2))(model)
    optimizer.update(model, grads)


class Scale(nnx.Module):
    def __init__(self):
        self.factor = nnx.Param(np.ones(3, np.float32))

    def __call__(self, x):
        return x * self.factor[...]


model, x = Scale(), np.ones((4, 3), np.float32)
optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
for epoch in range(3):
    for _ in range(2):
        train_step(model, optimizer, x)
print(np.asarray(model.factor[...]).shape)
