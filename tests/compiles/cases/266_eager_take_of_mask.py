# Events above a threshold, picked with a boolean mask outside jit: how many there are is a shape.
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(3)
detector = jnp.asarray(rng.normal(size=50).astype(np.float32))
counts = []
for threshold in (-1.0, -0.5, 0.0, 0.5, 1.0):
    chosen = np.flatnonzero(np.asarray(detector) > threshold)
    counts.append(float(np.asarray(jnp.take(detector, chosen)).sum()))
print(len(counts))
