# The running metrics are None before the first batch and a dictionary afterwards: the whole argument
# changes its structure.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def accumulate(metrics, loss, hits):
    if metrics is None:
        return {"loss": loss, "hits": hits}
    return {"loss": metrics["loss"] + loss, "hits": metrics["hits"] + hits}


metrics = None
for i in range(4):
    metrics = accumulate(metrics, np.float32(0.5), np.int32(i))
print(float(metrics["loss"]))
