# eqx.field(static=True) puts the rate into the tree structure. Changing it between calls is a new
# structure and a new trace, for every value.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


class Blur(eqx.Module):
    kernel: jax.Array
    rate: float = eqx.field(static=True)


class Net(eqx.Module):
    blur: Blur
    scale: jax.Array


@jax.jit
def predict(net, x):
    return net.scale * (x + net.blur.rate * net.blur.kernel * x)


x = np.ones(4, np.float32)
for rate in (0.1, 0.2, 0.1, 0.3):
    net = Net(Blur(np.ones(4, np.float32), rate), np.float32(2.0))
    y = predict(net, x)
print(np.asarray(y).shape)
