# After three steps the run switches from plain SGD to momentum: the state had an
# empty tuple (no leaves) where it has an array from then on.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def step(params, opt_state, x):
    grads = jax.grad(lambda p: jnp.mean((x @ p) ** 2))(params)
    trace = opt_state["trace"]
    if not isinstance(trace, tuple):
        trace = 0.9 * trace + grads
        grads = trace
    return params - 0.1 * grads, {"trace": trace, "count": opt_state["count"] + np.int32(1)}


params, x = np.ones(3, np.float32), np.eye(3, dtype=np.float32)
opt_state = {"trace": np.zeros(3, np.float32), "count": np.int32(0)}
for i in range(6):
    if i == 3:
        opt_state["trace"] = np.zeros(3, np.float32)  # momentum starts here
    params, opt_state = step(params, opt_state, x)
print(int(opt_state["count"]))
