# A dictionary with arrays, a string and a Python float goes through eqx.filter_jit: the float is
# a static leaf, tuned between the calls.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


@eqx.filter_jit
def run(setup, x):
    y = x * setup["gain"]
    if setup["norm"] == "l1":
        return jnp.sum(jnp.abs(y)) * setup["penalty"]
    return jnp.sqrt(jnp.sum(y**2)) * setup["penalty"]


setup = {"gain": np.float32(2.0), "norm": "l1", "penalty": np.float32(1.0)}
x = np.arange(5, dtype=np.float32)
for _ in range(3):
    value = run(setup, x)
    setup["penalty"] = np.float32(setup["penalty"] * 0.5)
print(float(value))
