# A regularisation sweep over a float that was declared static "because it is a hyperparameter":
# each value compiles a program of its own.
import jax
import jax.numpy as jnp
import numpy as np


def ridge(features, targets, strength):
    gram = features.T @ features
    return jnp.linalg.solve(gram + strength * jnp.eye(gram.shape[0]), features.T @ targets)


solve = jax.jit(ridge, static_argnums=2)
rng = np.random.default_rng(0)
features = rng.normal(size=(20, 3)).astype(np.float32)
targets = rng.normal(size=20).astype(np.float32)
best = min((0.01, 0.1, 1.0, 10.0), key=lambda s: np.sum(np.square(solve(features, targets, s))))
print(best)
