# `self.loss` makes a new bound method each time it is read, and jax.jit(...) of it is thrown away
# after one call. The object stays the same, so does everything the method reads.
import jax
import jax.numpy as jnp
import numpy as np


class Trainer:
    def __init__(self, delta):
        self.delta = delta

    def loss(self, params, x):
        error = x @ params
        return jnp.mean(jnp.where(jnp.abs(error) < self.delta, error**2, jnp.abs(error)))

    def evaluate(self, params, x):
        return float(jax.jit(self.loss)(params, x))


trainer = Trainer(0.5)
params = np.ones(3, np.float32)
total = sum(trainer.evaluate(params, np.full((2, 3), i, np.float32)) for i in range(4))
print(total)
