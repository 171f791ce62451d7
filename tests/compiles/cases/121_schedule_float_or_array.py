# During warm-up the schedule returns a NumPy float32, afterwards a Python float. Both are
# float32[] to the eye, but a Python scalar is weakly typed, and weak_type is part of the type.
import jax
import jax.numpy as jnp
import numpy as np


def learning_rate(step):
    if step < 3:
        return np.float32(0.1) * np.float32(step + 1) / np.float32(3)
    return 0.1 / (step - 1)


@jax.jit
def train_step(params, x, lr):
    grads = jax.grad(lambda p: jnp.mean((x @ p) ** 2))(params)
    return params - lr * grads


params = np.ones(3, np.float32)
x = np.eye(3, dtype=np.float32)
for step in range(6):
    params = train_step(params, x, learning_rate(step))
print(np.asarray(params).shape)
