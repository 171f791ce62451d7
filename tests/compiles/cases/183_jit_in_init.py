# Each Solver jits its own method in __init__, and a Solver is made for every problem: a new bound
# method of a new object, with the same settings.
import jax
import jax.numpy as jnp
import numpy as np


class Solver:
    def __init__(self):
        self._solve = jax.jit(self.solve)

    def solve(self, a, b):
        return jnp.linalg.solve(a + jnp.eye(a.shape[0]), b)

    def __call__(self, a, b):
        return self._solve(a, b)


def relax(a, b):
    return Solver()(a, b)


a = np.eye(3, dtype=np.float32)
for i in range(3):
    x = relax(a, np.full(3, i, np.float32))
print(np.asarray(x).shape)
