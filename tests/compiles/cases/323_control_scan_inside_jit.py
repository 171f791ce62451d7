# CONTROL: a scan inside jit with a body that is a new closure at each trace, and a lambda that is
# jitted once and called in a loop.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def forward(weights, xs):
    def body(h, x):
        h = jnp.tanh(weights * h + x)
        return h, h

    return jax.lax.scan(body, jnp.float32(0.0), xs)[1]


error = jax.jit(lambda path, target: jnp.mean((path - target) ** 2))
xs = np.linspace(0, 1, 7, dtype=np.float32)
for weight in (0.1, 0.2, 0.3):
    loss = error(forward(np.float32(weight), xs), xs)
print(float(loss))
