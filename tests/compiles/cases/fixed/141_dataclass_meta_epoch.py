# `epoch` is a meta field of a registered dataclass: it is held in the tree definition, compared
# by value with every call. It changes once per epoch, so each epoch compiles.
import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


@partial(jax.tree_util.register_dataclass, data_fields=["params", "epoch"], meta_fields=[])
@dataclasses.dataclass
class TrainState:
    params: jax.Array
    epoch: int


@jax.jit
def train_step(state, x):
    grads = jax.grad(lambda p: jnp.mean((x @ p) ** 2))(state.params)
    rate = 0.1 / (1 + state.epoch)
    return dataclasses.replace(state, params=state.params - rate * grads)


state = TrainState(np.ones(3, np.float32), epoch=0)
x = np.eye(3, dtype=np.float32)
for epoch in range(4):
    state = dataclasses.replace(state, epoch=epoch)
    for _ in range(3):
        state = train_step(state, x)
print(int(state.epoch))
