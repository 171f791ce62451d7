# The parameters are cast to bfloat16 before the model is warmed up.
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np


@jax.jit
def forward(params, x):
    return jax.nn.relu(x @ params["w"] + params["b"]) * params["scale"]


params = {
    "w": np.ones((4, 4), np.float32),
    "b": np.zeros(4, np.float32),
    "scale": np.float32(2.0),
}
x = np.ones((2, 4), np.float32)
served = {**params, **{k: params[k].astype(ml_dtypes.bfloat16) for k in ("w", "b")}}
forward(served, x)
for _ in range(3):
    y = forward(served, x)
print(np.asarray(y).shape)
