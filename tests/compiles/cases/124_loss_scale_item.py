# The loss scale is read back with float() once, to print and halve it: the array becomes a Python
# float, strong float32 becomes weak float32.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def scaled_step(params, scaler, x):
    grads = jax.grad(lambda p: scaler["scale"] * jnp.sum((p * x) ** 2))(params)
    params = params - 0.01 * grads / scaler["scale"]
    return params, {"scale": scaler["scale"] * 1.0, "good": scaler["good"] + np.int32(1)}


params = np.ones(4, np.float32)
scaler = {"scale": np.float32(1024.0), "good": np.int32(0)}
x = np.arange(4, dtype=np.float32)
for step in range(6):
    params, scaler = scaled_step(params, scaler, x)
    if step == 2:
        scaler["scale"] = float(scaler["scale"]) / 2
print(int(scaler["good"]))
