# optax.adam(...) returns closures; two optimizers made the same way are not equal. Made inside the
# epoch loop and passed as a static argument, each one compiles the step again.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax


@partial(jax.jit, static_argnames="optimizer")
def train_step(params, opt_state, x, optimizer):
    grads = jax.grad(lambda p: jnp.mean((x @ p) ** 2))(params)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


params = np.ones(3, np.float32)
opt_state = jax.tree.map(np.asarray, optax.sgd(0.1, momentum=0.9).init(params))
x = np.eye(3, dtype=np.float32)
for epoch in range(3):
    optimizer = optax.sgd(0.1, momentum=0.9)
    for _ in range(2):
        params, opt_state = train_step(params, opt_state, x, optimizer=optimizer)
print(np.asarray(params).shape)
