# An ensemble: one jitted closure per member, each with its own weights baked in. All members have
# the same shapes, so one program with the weights as an argument would do for all.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def member(weights, x):
    return jnp.tanh(x @ weights)


def make_weights(seed):
    return np.random.default_rng(seed).normal(size=(3, 2)).astype(np.float32)


ensemble = [make_weights(seed) for seed in range(4)]
x = np.ones((5, 3), np.float32)
mean = sum(np.asarray(member(weights, x)) for weights in ensemble) / len(ensemble)
print(mean.shape)
