# A jitted function with a scan inside gets a longer input series each time; the length of the
# series is a shape, so each length is a program (the scan itself is not the problem).
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def simulate(initial, forcing):
    def body(state, force):
        state = 0.95 * state + force
        return state, state

    return jax.lax.scan(body, initial, forcing)[1]


forcing = np.ones(300, np.float32)
for hours in (100, 200, 300):
    path = np.asarray(simulate(np.float32(0.0), forcing))[:hours]
print(path.shape)
