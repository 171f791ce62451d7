# CONTROL: a Flax NNX model of three layers with dropout, trained and evaluated.
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx


class MLP(nnx.Module):
    def __init__(self, rngs):
        self.inner = nnx.Linear(4, 16, rngs=rngs)
        self.middle = nnx.Linear(16, 8, rngs=rngs)
        self.outer = nnx.Linear(8, 2, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x):
        x = self.dropout(nnx.relu(self.inner(x)))
        return self.outer(nnx.relu(self.middle(x)))


@nnx.jit
def train_step(model, optimizer, x):
    loss, grads = nnx.value_and_grad(lambda m: jnp.mean(m(x) ** 2))(model)
    optimizer.update(model, grads)
    return loss


@nnx.jit
def evaluate(model, x):
    return jnp.argmax(model(x), axis=1)


model = MLP(nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)
for i in range(3):
    loss = train_step(model, optimizer, np.full((5, 4), i, np.float32))
model.eval()
for _ in range(2):
    guess = evaluate(model, np.ones((20, 4), np.float32))
print(np.asarray(guess).shape)
