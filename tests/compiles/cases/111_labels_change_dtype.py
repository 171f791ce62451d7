# The training labels are int32, those of the test file were parsed as float32: same shape, other
# dtype, so another type in the key of jit's trace cache.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def accuracy(weights, images, labels):
    guess = jnp.argmax(images @ weights, axis=1)
    return jnp.mean(guess == labels)


weights = np.eye(4, 3, dtype=np.float32)
images = np.ones((6, 4), np.float32)
train_labels = np.array([0, 1, 2, 0, 1, 2], dtype=np.int32)
test_labels = np.array("0 1 1 0 2 2".split(), dtype=np.float32)
for _ in range(2):
    on_train = accuracy(weights, images, train_labels)
on_test = accuracy(weights, images, test_labels)
print(float(on_train), float(on_test))
