# A notebook cell that defines a jitted function is run again and again (here: exec under a cell's
# file name): each run makes a new function of the same source.
import jax
import jax.numpy as jnp
import numpy as np

CELL = """
@jax.jit
def predict(w, x):
    return jnp.tanh(x @ w)

y = predict(w, x)
"""
notebook = {"jax": jax, "jnp": jnp, "w": np.ones((3, 2), np.float32)}
code = compile(CELL, "<ipython-input-3-a1b2c3>", "exec")
for run in range(3):
    notebook["x"] = np.full((4, 3), run, np.float32)
    exec(code, notebook)
print(np.asarray(notebook["y"]).shape)
