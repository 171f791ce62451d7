# CONTROL: an ordinary optax loop with a schedule; the count lives in the optimizer's state as an
# int32 array. One program besides the start-up operations.
import jax
import jax.numpy as jnp
import numpy as np
import optax

optimizer = optax.adam(optax.cosine_decay_schedule(0.1, 20))


@jax.jit
def train_step(params, opt_state, x):
    loss, grads = jax.value_and_grad(lambda p: jnp.mean((x @ p["w"] + p["b"]) ** 2))(params)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state, loss


params = {"w": jnp.ones(3), "b": jnp.zeros(())}
opt_state = optimizer.init(params)
for i in range(5):
    params, opt_state, loss = train_step(params, opt_state, np.full((4, 3), i, np.float32))
print(float(loss) >= 0)
