# After a restart the optimizer state comes from a checkpoint that stores plain dicts: what was a
# NamedTuple is a dict of the same leaves. The node type is part of the tree structure.
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Moments(NamedTuple):
    mu: jax.Array
    nu: jax.Array


@jax.jit
def apply_updates(params, opt_state, grads):
    moments = opt_state["moments"]
    mu, nu = moments if isinstance(moments, tuple) else (moments["mu"], moments["nu"])
    mu, nu = 0.9 * mu + 0.1 * grads, 0.99 * nu + 0.01 * grads**2
    return params - 0.1 * mu / (jnp.sqrt(nu) + 1e-8), {"moments": Moments(mu, nu)}


params, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
opt_state = {"moments": Moments(zeros, zeros)}
for i in range(3):
    params, opt_state = apply_updates(params, opt_state, np.ones(3, np.float32))
checkpoint = {"moments": {k: np.asarray(v) for k, v in opt_state["moments"]._asdict().items()}}
params, opt_state = apply_updates(params, checkpoint, np.ones(3, np.float32))
print(np.asarray(params).shape)
