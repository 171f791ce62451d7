# A jitted method with a static self is called by position while testing and with all arguments by
# keyword from the serving code: `x` moved from the positional to the keyword part of the key.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


class Scorer:
    @partial(jax.jit, static_argnums=0)
    def predict(self, weights, x):
        return jnp.tanh(x @ weights)


scorer = Scorer()
weights = np.ones((3, 2), np.float32)
request = {"x": np.ones((4, 3), np.float32)}
scorer.predict(weights, **request)
for _ in range(2):
    y = scorer.predict(weights, **request)
print(np.asarray(y).shape)
