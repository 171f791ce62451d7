# With x64 on, NumPy's float64 stays float64: data from a float32 file and data made by NumPy
# (float64 by default) have different types. (With x64 off both would be float32: one compile.)
import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np


@jax.jit
def fit(inputs, targets):
    gram = inputs.T @ inputs + jnp.eye(inputs.shape[1], dtype=inputs.dtype)
    return jnp.linalg.norm(gram @ (inputs.T @ targets))


rng = np.random.default_rng(0)
stored = rng.normal(size=(10, 3)).astype(np.float32)
targets = np.ones(10, np.float32)
a = fit(stored, targets)
noisy = stored + rng.normal(size=(10, 3))
b = fit(noisy, targets)
print(float(a) > 0, float(b) > 0)
