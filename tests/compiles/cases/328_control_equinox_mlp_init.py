# CONTROL: eqx.nn.MLP initialises four layers op by op, so the one line that makes it compiles small
# programs for as many shapes. The line runs once: starting up, not waste.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

model = eqx.nn.MLP(in_size=4, out_size=2, width_size=16, depth=3, key=jax.random.key(0))


@eqx.filter_jit
def predict(model, x):
    return jnp.argmax(jax.vmap(model)(x), axis=1)


for i in range(3):
    guess = predict(model, np.full((5, 4), i, np.float32))
print(np.asarray(guess).shape)
