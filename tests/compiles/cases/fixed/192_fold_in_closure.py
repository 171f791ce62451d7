# Cross-validation: the objective of each fold captures that fold's array, which becomes a constant
# of the program. Three folds, three functions, three programs.
import jax
import jax.numpy as jnp
import numpy as np

data = np.arange(24, dtype=np.float32).reshape(3, 4, 2)


@jax.jit
def objective(params, fold):
    return jnp.mean((fold @ params - 1.0) ** 2)


def fit(fold):
    params = np.zeros(2, np.float32)
    best = min(float(objective(params + np.float32(0.1 * k), fold)) for k in range(3))
    return best


scores = [fit(fold) for fold in data]
print(len(scores))
