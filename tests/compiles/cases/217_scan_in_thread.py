# Simulations run as tasks of a pool; each makes its own scan body and scans outside of jit.
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np


def simulate(rate):
    def body(population, _):
        population = population + rate * population * (1.0 - population)
        return population, population

    final, path = jax.lax.scan(body, np.float32(0.1), None, length=20)
    return np.asarray(path)


with ThreadPoolExecutor(max_workers=1) as pool:
    paths = list(pool.map(simulate, (np.float32(0.3), np.float32(0.5), np.float32(0.7))))
print(len(paths))
