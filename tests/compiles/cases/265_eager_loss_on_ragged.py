# The validation error is printed without jit, on samples of different length: every operation of
# the expression is a program per length. (The mean is NumPy's.)
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)
samples = [rng.normal(size=(2, n)).astype(np.float32) for n in (4, 5, 6, 7, 8, 9)]
for truth, guess in samples:
    error = jnp.square(jnp.subtract(truth, guess))
    report = f"{np.mean(np.asarray(error)):.3f}"
print(len(report))
