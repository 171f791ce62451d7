# One jitted lambda per target: a new function each time, and its captured target differs.
import jax
import jax.numpy as jnp
import numpy as np


distance_to = jax.jit(lambda x, target: jnp.sum((x - target) ** 2))


x = np.zeros(3, np.float32)
distances = [float(distance_to(x, np.full(3, i, np.float32))) for i in (1, 2, 3)]
print(distances)
