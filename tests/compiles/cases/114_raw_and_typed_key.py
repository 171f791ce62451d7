# Half of the code base still makes raw keys (jax.random.PRNGKey, uint32[2]), the other half typed
# ones (jax.random.key, dtype key<fry>): two types of the same argument, two compiles.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def sample(key, mean):
    return mean + jax.random.normal(key, (3,))


mean = np.zeros(3, np.float32)
warm = sample(jax.random.PRNGKey(0), mean)
for seed in range(3):
    draw = sample(jax.random.key(seed), mean)
print(np.asarray(draw).shape)
