# lax.fori_loop outside jit, with Python bounds, becomes a scan whose length is a static parameter
# of the primitive. The body is the same function each time; only the number of turns differs.
import jax
import jax.numpy as jnp
import numpy as np


def halve(i, x):
    return 0.5 * x + jnp.float32(1.0)


x = np.float32(8.0)
for turns in (3, 4, 5, 6):
    y = jax.lax.fori_loop(0, turns, halve, x)
print(float(y))
