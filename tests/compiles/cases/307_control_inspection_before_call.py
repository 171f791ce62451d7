# CONTROL: eval_shape, make_jaxpr and lower trace the function before its first call, and nothing of
# that compiles; the call compiles once.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def model(params, x):
    return jnp.tanh(x @ params).sum(axis=1)


params, x = np.ones((3, 2), np.float32), np.ones((4, 3), np.float32)
print(jax.eval_shape(model, params, x).shape)
print(len(jax.make_jaxpr(model)(params, x).jaxpr.eqns))
print(len(model.lower(params, x).as_text()) > 100)
for _ in range(3):
    y = model(params, x)
print(np.asarray(y).shape)
