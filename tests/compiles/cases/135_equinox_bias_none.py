# The bias of a module is None at first and an array once it is switched on: None is a part of the
# tree structure, not a leaf, so filter_jit has another structure to trace.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


class Layer(eqx.Module):
    weight: jax.Array
    bias: jax.Array | None


class Model(eqx.Module):
    layers: list[Layer]


@eqx.filter_jit
def forward(model, x):
    for layer in model.layers:
        x = jnp.tanh(x @ layer.weight)
        x = x if layer.bias is None else x + layer.bias
    return x


weight, x = np.eye(3, dtype=np.float32), np.ones((2, 3), np.float32)
model = Model([Layer(weight, None), Layer(weight, np.zeros(3, np.float32))])
forward(model, x)
model = Model([Layer(weight, np.zeros(3, np.float32)), model.layers[1]])
for _ in range(2):
    y = forward(model, x)
print(np.asarray(y).shape)
