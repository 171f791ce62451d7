# CONTROL: three layers are initialised op by op, in a list comprehension. Each layer's shapes make a
# few small programs, once: what starting up costs, not waste.
import jax
import jax.numpy as jnp
import numpy as np

sizes = (4, 16, 8, 2)
keys = jax.random.split(jax.random.key(0), 3)
params = [
    {"w": jax.random.normal(k, (m, n)) / jnp.sqrt(m), "b": jnp.zeros(n)}
    for k, m, n in zip(keys, sizes[:-1], sizes[1:])
]


@jax.jit
def forward(params, x):
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


for i in range(3):
    y = forward(params, np.full((5, 4), i, np.float32))
print(np.asarray(y).shape)
