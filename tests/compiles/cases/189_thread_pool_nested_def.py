# Every task defines and jits its own `work`; the tasks run one after another on a worker thread.
# The function object is new in each, whatever the thread.
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np


def task(x):
    @jax.jit
    def work(x):
        return jnp.sort(x)[::-1]

    return np.asarray(work(x))


with ThreadPoolExecutor(max_workers=1) as pool:
    results = list(pool.map(task, [np.arange(5, dtype=np.float32) + i for i in range(4)]))
print(len(results))
