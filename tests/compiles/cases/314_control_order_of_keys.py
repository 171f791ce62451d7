# CONTROL: keywords in another order, and a dict built in another order, are the same call: keywords
# and dicts are sorted.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def combine(params, *, gain, shift):
    return gain * params["a"] + shift * params["b"]


a, b = np.ones(3, np.float32), np.zeros(3, np.float32)
one, two = np.float32(1.0), np.float32(2.0)
first = combine({"a": a, "b": b}, gain=one, shift=two)
second = combine({"b": b, "a": a}, shift=two, gain=one)
print(np.asarray(first) - np.asarray(second))
