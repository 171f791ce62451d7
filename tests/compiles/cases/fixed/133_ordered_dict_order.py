# An OrderedDict keeps its order in the tree structure (a dict is sorted): the same parameters,
# restored from a file in another order, are another structure.
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def norm(params):
    return jnp.sqrt(sum(jnp.sum(p**2) for p in jax.tree.leaves(params)))


def restore(names):
    return OrderedDict((name, np.ones(3, np.float32)) for name in names)


made = restore(["encoder", "decoder", "head"])
a = norm(made)
loaded = restore(list(made))
b = norm(loaded)
print(float(a), float(b))
