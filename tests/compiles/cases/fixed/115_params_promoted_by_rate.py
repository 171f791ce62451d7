# bfloat16 parameters minus a float32 step are float32: after the first update the state that is
# fed back has another dtype than the one it started with, so the second step compiles again.
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np


@jax.jit
def update(state, grads, rate):
    return {
        "weights": state["weights"] - (rate * grads).astype(grads.dtype),
        "steps": state["steps"] + np.int32(1),
    }


state = {"weights": np.ones(4, ml_dtypes.bfloat16), "steps": np.int32(0)}
grads = np.full(4, 0.5, ml_dtypes.bfloat16)
rate = np.float32(0.1)
for _ in range(5):
    state = update(state, grads, rate)
print(int(state["steps"]))
