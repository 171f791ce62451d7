# Records of different length are sorted on the device before they are padded: one sort program per
# length. (The padding itself is NumPy's.)
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)
records = [rng.normal(size=n).astype(np.float32) for n in (5, 9, 7, 9, 11, 6)]


def prepare(record):
    ordered = np.sort(record)
    return np.pad(ordered, (0, 12 - len(ordered)))


table = np.stack([prepare(record) for record in records])
print(table.shape)
