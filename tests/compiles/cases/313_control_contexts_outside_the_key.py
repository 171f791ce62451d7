# CONTROL: settings that are not in the key of jit's cache (logging, NaN checks, names of scopes) are
# changed between calls: one program.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def step(x):
    return jnp.sqrt(x**2 + 1.0)


x = np.ones(4, np.float32)
x = np.asarray(step(x))
with jax.named_scope("second"):
    x = np.asarray(step(x))
with jax.debug_nans(True):
    x = np.asarray(step(x))
jax.config.update("jax_default_prng_impl", "rbg")
x = np.asarray(step(x))
print(x.shape)
