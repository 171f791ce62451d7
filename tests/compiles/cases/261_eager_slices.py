# Features of growing prefixes, op by op: each prefix length is another shape, and every eager
# operation is compiled once per shape.
import jax.numpy as jnp
import numpy as np

signal = np.linspace(0.0, 1.0, 40, dtype=np.float32)


def features(prefix):
    squashed = jnp.tanh(prefix)
    return np.asarray(jnp.cumsum(squashed))[-1]


values = [features(signal[:n]) for n in (8, 12, 16, 20, 24)]
print(len(values))
