# The cell that defines the function runs once, the one that calls it again and again.
import jax
import jax.numpy as jnp
import numpy as np

DEFINE = """
@jax.jit
def predict(w, x):
    return jnp.tanh(x @ w)
"""
CALL = """
y = predict(w, x)
"""
notebook = {"jax": jax, "jnp": jnp, "w": np.ones((3, 2), np.float32)}
exec(compile(DEFINE, "<ipython-input-3-a1b2c3>", "exec"), notebook)
code = compile(CALL, "<ipython-input-4-a1b2c3>", "exec")
for run in range(3):
    notebook["x"] = np.full((4, 3), run, np.float32)
    exec(code, notebook)
print(np.asarray(notebook["y"]).shape)
