# Per-example gradients: jit(vmap(grad(loss))) is written in a helper and built for each batch.
import jax
import jax.numpy as jnp
import numpy as np


def loss(params, x, y):
    return (jnp.dot(params["w"], x) + params["b"] - y) ** 2


per_example_grads = jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0, 0)))


def per_example_norms(params, xs, ys):
    grads = per_example_grads(params, xs, ys)
    return np.linalg.norm(np.asarray(grads["w"]), axis=1)


params = {"w": np.ones(3, np.float32), "b": np.float32(0.0)}
for i in range(3):
    norms = per_example_norms(params, np.full((5, 3), i, np.float32), np.ones(5, np.float32))
print(norms.shape)
