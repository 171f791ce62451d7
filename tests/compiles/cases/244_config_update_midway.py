# A debugging aid is switched on in the middle of the run: jax_numpy_rank_promotion is part of the
# trace context, so everything that is called afterwards compiles again.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def distance(a, b):
    return jnp.sqrt(jnp.sum((a - b) ** 2))


a, b = np.zeros(4, np.float32), np.ones(4, np.float32)
d = distance(a, b)
jax.config.update("jax_numpy_rank_promotion", "raise")
for _ in range(3):
    d = distance(a, b)
print(float(d))
