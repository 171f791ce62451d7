# A temperature that is an nnx.Variable is an array: it may change without a new program.
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Policy(nnx.Module):
    def __init__(self):
        self.kernel = nnx.Param(jnp.asarray(np.ones((4, 2), np.float32)))
        self.temperature = nnx.Variable(np.float32(1.0))

    def __call__(self, x):
        return jax.nn.softmax(x @ self.kernel[...] / self.temperature[...])


@nnx.jit
def forward(model, x):
    return model(x)


model = Policy()
x = np.ones((3, 4), np.float32)
for i in range(3):
    probabilities = forward(model, x)
    model.temperature = nnx.Variable(np.float32(1.0 / (i + 2)))
print(np.asarray(probabilities).shape)
