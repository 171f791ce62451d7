# The configuration class has no __eq__ or __hash__, so two equal configurations are different
# keys. It is rebuilt for each call: four compiles of the same program.
import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    hidden: int
    dropout: float


@partial(jax.jit, static_argnums=0)
def apply_model(config, params, x):
    h = x @ params[:, : config.hidden]
    return jnp.tanh(h) * (1.0 - config.dropout)


params = np.ones((3, 8), np.float32)
x = np.ones((2, 3), np.float32)
for step in range(4):
    y = apply_model(ModelConfig(hidden=4, dropout=0.1), params, x)
print(np.asarray(y).shape)
