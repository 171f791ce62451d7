# CONTROL: the optimizer runs op by op on three parameters of different shapes: small programs, all of
# the first two steps.
import jax
import jax.numpy as jnp
import numpy as np
import optax


@jax.jit
def gradient(params):
    return jax.grad(lambda p: sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(p)))(params)


optimizer = optax.adam(1e-2)
params = {"w": jnp.ones((3, 2)), "b": jnp.ones(2), "scale": jnp.ones(())}
opt_state = optimizer.init(params)
for _ in range(4):
    updates, opt_state = optimizer.update(gradient(params), opt_state, params)
    params = optax.apply_updates(params, updates)
print(float(params["scale"]) < 1)
