# CONTROL: functions with callbacks miss jit's fast path at every call, but hit its caches: one
# program.
import jax
import jax.numpy as jnp
import numpy as np

seen = []


@jax.jit
def logged_step(x):
    jax.debug.callback(lambda value: seen.append(float(value)), jnp.max(x))
    return 0.5 * x


x = np.arange(4, dtype=np.float32)
for _ in range(4):
    x = logged_step(x)
jax.effects_barrier()
print(np.asarray(x).shape, len(seen))
