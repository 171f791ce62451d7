# The optimizer is made anew in each call of `fit` and passed through eqx.filter_jit, where its two
# functions, init and update, are static leaves: closures that equal nothing but themselves.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax


@eqx.filter_jit
def update(params, state, x, optimizer):
    grads = jax.grad(lambda p: jnp.mean((x @ p) ** 2))(params)
    updates, state = optimizer.update(grads, state)
    return params + updates, state


def fit(params, x):
    optimizer = optax.sgd(0.1)
    state = optimizer.init(params)
    for _ in range(2):
        params, state = update(params, state, x, optimizer)
    return params


params, x = np.ones(3, np.float32), np.eye(3, dtype=np.float32)
for trial in range(3):
    params = np.asarray(fit(params, x))
print(params.shape)
