# The hidden state is made as a list and returned as a tuple: another container type is another
# tree structure, although the leaves are the same.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def rnn_step(params, state, x):
    h, c = state["hidden"]
    c = jnp.tanh(params * x + c)
    h = 0.5 * h + c
    return {"hidden": (h, c), "t": state["t"] + np.int32(1)}


params = np.float32(0.3)
state = {"hidden": (np.zeros(4, np.float32), np.zeros(4, np.float32)), "t": np.int32(0)}
for i in range(5):
    state = rnn_step(params, state, np.full(4, i, np.float32))
print(int(state["t"]))
