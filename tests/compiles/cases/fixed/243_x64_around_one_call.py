# x64 is switched on around the last call "to be safe". The inputs are float32 either way, but the
# switch itself is in the key.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def accumulate(values):
    return jnp.cumsum(values)[-1]


values = np.full(100, 0.1, np.float32)
for _ in range(2):
    total = accumulate(values)
careful = accumulate(values)
print(float(total) > 0, float(careful) > 0)
