# A context manager's setting belongs to the thread that entered it. The worker thread runs under
# the defaults, so the same call has another context there and compiles again.
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def norms(x):
    return jnp.sqrt(jnp.sum(x @ x.T, axis=1))


def work(x):
    return np.asarray(norms(x))


x = np.ones((4, 3), np.float32)
with jax.default_matmul_precision("float32"):
    here = work(x)
    with ThreadPoolExecutor(max_workers=1) as pool:
        there = [pool.submit(work, x).result() for _ in range(2)]
print(here.shape, len(there))
