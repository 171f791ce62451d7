# Images come as uint8 from the decoder and as float32 from the augmentation: two dtypes of one
# field of a nested batch.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def normalise(batch):
    pixels = batch["inputs"]["image"].astype(jnp.float32)
    return (pixels - batch["mean"]) / batch["std"]


def load(i):
    image = np.full((2, 4, 4), i, np.uint8)
    if i % 2:
        image = (image * np.float32(0.9)).astype(np.uint8)
    return {"inputs": {"image": image}, "mean": np.float32(10), "std": np.float32(3)}


for i in range(4):
    out = normalise(load(i))
print(np.asarray(out).shape)
