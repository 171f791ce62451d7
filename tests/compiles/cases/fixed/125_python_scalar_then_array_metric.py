# The best loss so far starts as Python's float("inf") and is an array from the second call on.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def update_best(best, loss):
    return jnp.minimum(best, loss)


best = np.float32("inf")
for loss in np.array([3.0, 2.0, 4.0, 1.0], np.float32):
    best = update_best(best, loss)
print(float(best))
