# Some batches carry a 'weights' entry, some do not: the dictionary's keys are part of the tree
# structure, which is part of the key of jit's cache.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def loss(params, batch):
    errors = (batch["x"] @ params - batch["y"]) ** 2
    if "weights" in batch:
        errors = errors * batch["weights"]
    return jnp.mean(errors)


def load(i):
    batch = {"x": np.full((4, 2), i, np.float32), "y": np.zeros(4, np.float32)}
    batch["weights"] = np.full(4, 0.5 if i >= 2 else 1.0, np.float32)
    return batch


params = np.ones(2, np.float32)
for i in range(4):
    value = loss(params, load(i))
print(float(value))
