# `work` is defined once and shared by all tasks.
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def work(x):
    return jnp.sort(x)[::-1]


def task(x):
    return np.asarray(work(x))


with ThreadPoolExecutor(max_workers=1) as pool:
    results = list(pool.map(task, [np.arange(5, dtype=np.float32) + i for i in range(4)]))
print(len(results))
