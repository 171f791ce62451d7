# CONTROL: a Flax Linen model: init op by op, once, then a jitted apply.
import flax.linen as nn
import jax
import numpy as np


class MLP(nn.Module):
    @nn.compact
    def __call__(self, x):
        for width in (16, 12, 8, 4):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(2)(x)


model = MLP()
variables = model.init(jax.random.key(0), np.ones((1, 5), np.float32))
apply = jax.jit(model.apply)
for i in range(3):
    y = apply(variables, np.full((3, 5), i, np.float32))
print(np.asarray(y).shape)
