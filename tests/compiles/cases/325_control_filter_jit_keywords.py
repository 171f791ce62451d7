# CONTROL: eqx.filter_jit binds its arguments to their names before it looks into its cache, so that
# keyword or position is the same call (unlike under jax.jit).
import equinox as eqx
import jax.numpy as jnp
import numpy as np


@eqx.filter_jit
def combine(x, y):
    return jnp.sum(x * y)


x, y = np.ones(3, np.float32), np.arange(3, dtype=np.float32)
totals = [combine(x, y), combine(x, y=y), combine(y=y, x=x)]
print([float(total) for total in totals])
