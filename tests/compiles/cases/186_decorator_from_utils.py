# A decorator of the project's own wraps with functools.wraps and jits inside the wrapper: every
# call of the decorated function makes a new inner function.
import functools

import jax
import jax.numpy as jnp
import numpy as np


def fast(fun):
    @functools.wraps(fun)
    def wrapper(*args):
        @jax.jit
        @functools.wraps(fun)
        def inner(*args):
            return fun(*args)

        return inner(*args)

    return wrapper


@fast
def infer(params, x):
    return jnp.tanh(x @ params)


params = np.eye(3, dtype=np.float32)
for i in range(3):
    y = infer(params, np.full((2, 3), i, np.float32))
print(np.asarray(y).shape)
