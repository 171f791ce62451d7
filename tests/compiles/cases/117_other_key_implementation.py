# The training script asks for the faster "rbg" generator, the evaluation script for JAX's default:
# keys of two generators have two dtypes, key<rbg> and key<fry>.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def dropout(key, x):
    keep = jax.random.bernoulli(key, 0.9, x.shape)
    return jnp.where(keep, x / 0.9, 0.0)


x = np.ones(6, np.float32)
trained = dropout(jax.random.key(0, impl="rbg"), x)
for seed in range(2):
    evaluated = dropout(jax.random.key(seed), x)
print(np.asarray(evaluated).shape)
