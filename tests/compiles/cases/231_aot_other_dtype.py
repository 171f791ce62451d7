# The step is compiled ahead of time for float32 batches; the loader delivers int32. Calling the
# jitted function then compiles for the real types, and the work done ahead is lost.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def step(params, batch):
    return params + jnp.mean(batch, axis=0)


params = np.zeros(3, np.float32)
compiled = step.lower(params, jax.ShapeDtypeStruct((8, 3), jnp.float32)).compile()
print("ready", compiled.in_tree is not None)
for i in range(3):
    params = step(params, np.full((8, 3), i, np.int32))
print(np.asarray(params).shape)
