# nnx.jit, like jax.jit, does not bind its arguments to their names: `x` by position in the first
# call and by keyword in the others.
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Scale(nnx.Module):
    def __init__(self):
        self.factor = nnx.Param(np.ones(3, np.float32))


@nnx.jit
def evaluate(model, x):
    return jnp.sum(model.factor[...] * x)


model = Scale()
total = float(evaluate(model, np.ones(3, np.float32)))
for i in range(3):
    total += float(evaluate(model, x=np.full(3, i, np.float32)))
print(total)
