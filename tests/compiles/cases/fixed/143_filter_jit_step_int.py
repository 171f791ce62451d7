# eqx.filter_jit makes every leaf that is not an array static. The step is a Python int, so it is
# compared by value: each step compiles, although nothing in the function needs a Python int.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


@eqx.filter_jit
def noisy_forward(weights, x, step):
    key = jax.random.fold_in(jax.random.key(7), step)
    return x @ weights + 0.01 * jax.random.normal(key, (2,))


weights = np.ones((3, 2), np.float32)
x = np.ones((4, 3), np.float32)
for step in range(5):
    y = noisy_forward(weights, x, np.int32(step))
print(np.asarray(y).shape)
