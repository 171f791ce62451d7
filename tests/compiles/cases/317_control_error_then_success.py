# CONTROL: the first call has a shape error and fails while it is traced, so nothing is compiled; the
# corrected call compiles once.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def solve(a, b):
    return jnp.linalg.norm(a @ b)


a = np.ones((3, 3), np.float32)
try:
    solve(a, np.ones(4, np.float32))
except TypeError as error:
    print("caught", type(error).__name__)
for _ in range(3):
    value = solve(a, np.ones(3, np.float32))
print(float(value))
