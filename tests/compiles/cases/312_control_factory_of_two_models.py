# CONTROL: a factory makes the training step of each of two models. What it captures is the model's
# own function, not data: the two steps are two different programs, and no argument could replace
# the captured function. Each is compiled once.
import jax
import jax.numpy as jnp
import numpy as np


def linear(params, x):
    return x @ params["w"]


def network(params, x):
    return jnp.tanh(x @ params["w"]) * params["scale"]


def make_step(model):
    def step(params, x):
        grads = jax.grad(lambda p: jnp.mean(model(p, x) ** 2))(params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    return jax.jit(step)


x = np.eye(3, dtype=np.float32)
small = {"w": np.ones(3, np.float32)}
large = {"w": np.ones((3, 8), np.float32), "scale": np.float32(1)}
for model, params in ((linear, small), (network, large)):
    step = make_step(model)
    for _ in range(3):
        params = step(params, x)
print(sorted(params))
