# A frozen dataclass is a fine static argument, compared by value. A sweep replaces one field of it
# per run, so the whole value is another one and the function compiles per run.
import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class Config:
    activation: str = "tanh"
    gain: float = 1.0


@partial(jax.jit, static_argnames=("config",))
def forward(params, x, config):
    y = config.gain * (x @ params)
    return jnp.tanh(y) if config.activation == "tanh" else jax.nn.relu(y)


params = np.ones((3, 2), np.float32)
x = np.ones((4, 3), np.float32)
for gain in (0.5, 1.0, 2.0):
    for _ in range(2):
        y = forward(params, x, config=Config(gain=gain))
print(np.asarray(y).shape)
