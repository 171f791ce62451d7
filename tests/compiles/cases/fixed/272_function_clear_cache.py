# predict.clear_cache() between requests, left over from a debugging session.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def predict(weights, x):
    return jax.nn.softmax(x @ weights)


def handle(request):
    answer = np.asarray(predict(weights, request))
    return answer


weights = np.ones((3, 2), np.float32)
answers = [handle(np.full((2, 3), i, np.float32)) for i in range(3)]
print(len(answers))
