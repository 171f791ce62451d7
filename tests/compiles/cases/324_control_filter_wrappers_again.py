# CONTROL: eqx.filter_jit(eqx.filter_value_and_grad(loss)) is written inside the loop, but Equinox's
# wrappers compare by what they wrap, so the second turn finds the first one's program.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


class Linear(eqx.Module):
    weight: jax.Array


def loss(model, x):
    return jnp.mean((x @ model.weight) ** 2)


model = Linear(np.ones(3, np.float32))
x = np.eye(3, dtype=np.float32)
for step in range(3):
    value, grads = eqx.filter_jit(eqx.filter_value_and_grad(loss))(model, x)
    model = Linear(model.weight - 0.1 * np.asarray(grads.weight))
print(model.weight.shape)
