# CONTROL: one jitted function inside two others. It is inlined into both programs and is not a
# program of its own.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def features(x):
    return jnp.concatenate([jnp.sin(x), jnp.cos(x)], axis=-1)


@jax.jit
def train_loss(w, x):
    return jnp.mean((features(x) @ w) ** 2)


@jax.jit
def eval_loss(w, x):
    return jnp.mean(jnp.abs(features(x) @ w))


w, x = np.ones(6, np.float32), np.ones((4, 3), np.float32)
for _ in range(3):
    losses = float(train_loss(w, x)), float(eval_loss(w, x))
print(losses)
