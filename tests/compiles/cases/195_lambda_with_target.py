# One jitted lambda per target: a new function each time, and its captured target differs.
import jax
import jax.numpy as jnp
import numpy as np


def distance_to(target):
    return jax.jit(lambda x: jnp.sum((x - target) ** 2))


x = np.zeros(3, np.float32)
distances = [float(distance_to(np.full(3, i, np.float32))(x)) for i in (1, 2, 3)]
print(distances)
