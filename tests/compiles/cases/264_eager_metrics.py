# Evaluation in plain jnp on chunks of unequal size: argmax (JAX's own jitted `_argmax`, and
# the conversion of its argument) compiles for each size.
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)
chunks = [rng.normal(size=(n, 4)).astype(np.float32) for n in (10, 12, 9, 7, 11, 8)]
hits = 0
for logits in chunks:
    guess = jnp.argmax(logits, axis=1)
    hits += int(np.sum(np.asarray(guess) == 0))
print(hits >= 0)
