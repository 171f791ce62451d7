# CONTROL: NumPy arrays first (also float64 ones, which are float32 to JAX without x64), then the
# function's own results. All have the same type and none is committed: one program.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def update(state, x):
    return {"mean": 0.9 * state["mean"] + 0.1 * x, "scale": state["scale"] * 0.99}


state = {"mean": np.zeros(3), "scale": np.ones(3, np.float32)}
for i in range(4):
    state = update(state, np.full(3, i, np.float64 if i % 2 else np.float32))
print(np.asarray(state["mean"]).shape)
