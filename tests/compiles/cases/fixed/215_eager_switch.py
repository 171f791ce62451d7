# lax.switch outside jit: the branches are lambdas in a list that each call builds again.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def augment(kind, image):
    return jax.lax.switch(
        kind,
        [lambda im: im, lambda im: im[::-1], lambda im: -im],
        image,
    )


image = np.arange(6, dtype=np.float32)
for kind in (0, 1, 2):
    out = augment(np.int32(kind), image)
print(np.asarray(out).shape)
