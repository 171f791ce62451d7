# A pool calls the jitted function directly (submit(serve, ...)): no line of this file is on the
# worker's stack. The second model was put on the device explicitly, so its weights are committed.
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def serve(model, x):
    return jax.nn.softmax(x @ model["weights"] + model["bias"])


weights = jax.device_put(np.ones((3, 2), np.float32), jax.devices()[0])
model = {"weights": weights, "bias": np.zeros(2, np.float32)}
updated = {**model, "weights": jax.device_put(model["weights"], jax.devices()[0])}
x = np.ones((4, 3), np.float32)
with ThreadPoolExecutor(max_workers=1) as pool:
    first = pool.submit(serve, model, x).result()
    rest = [pool.submit(serve, updated, x).result() for _ in range(3)]
print(len(rest))
