# A layer counts its own calls in a Python int field of an eqx.Module; under filter_jit that is a
# static leaf, deep in a list of layers.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


class Layer(eqx.Module):
    weight: jax.Array
    calls: jax.Array


class Net(eqx.Module):
    layers: list[Layer]


@eqx.filter_jit
def loss(net, x):
    for layer in net.layers:
        x = jnp.tanh(x @ layer.weight)
    return jnp.mean(x**2)


net = Net([Layer(np.eye(3, dtype=np.float32), np.int32(0)) for _ in range(2)])
x = np.ones((2, 3), np.float32)
for _ in range(4):
    value = loss(net, x)
    net = eqx.tree_at(lambda n: n.layers[1].calls, net, net.layers[1].calls + np.int32(1))
print(float(value))
