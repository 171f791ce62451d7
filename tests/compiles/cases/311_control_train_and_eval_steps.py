# CONTROL: a step for training and one for evaluation, with batches of different size: two functions
# with one signature each.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


class Linear(eqx.Module):
    weight: jax.Array
    bias: jax.Array

    def __call__(self, x):
        return x @ self.weight + self.bias


def loss(model, x, y):
    return jnp.mean((model(x) - y) ** 2)


@eqx.filter_jit
def train_step(model, x, y):
    grads = eqx.filter_grad(loss)(model, x, y)
    return eqx.apply_updates(model, jax.tree.map(lambda g: -0.1 * g, grads))


@eqx.filter_jit
def eval_step(model, x, y):
    return loss(model, x, y)


model = Linear(np.ones(3, np.float32), np.zeros((), np.float32))
for epoch in range(3):
    for _ in range(2):
        model = train_step(model, np.ones((8, 3), np.float32), np.ones(8, np.float32))
    value = eval_step(model, np.ones((20, 3), np.float32), np.ones(20, np.float32))
print(float(value))
