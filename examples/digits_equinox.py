"""Train an Equinox network on scikit-learn's handwritten digits and print its test accuracy.

A plain Equinox and optax program that knows nothing of jaxkit. See what it compiles more than
once, and why, with ``jaxkit run examples/digits_equinox.py``.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

BATCH = 64
EPOCHS = 5


class Network(eqx.Module):
    """Two layers with dropout between them, whose rate is a field of the network."""

    hidden: eqx.nn.Linear
    output: eqx.nn.Linear
    dropout_rate: float

    def __init__(self, *, key):
        first, second = jax.random.split(key)
        self.hidden = eqx.nn.Linear(64, 64, key=first)
        self.output = eqx.nn.Linear(64, 10, key=second)
        self.dropout_rate = 0.0

    def __call__(self, image, key=None):
        """Scores of the ten digits; without a key nothing is dropped."""
        x = jax.nn.relu(self.hidden(image))
        if key is not None:
            keep = jax.random.bernoulli(key, 1.0 - self.dropout_rate, x.shape)
            x = jnp.where(keep, x / (1.0 - self.dropout_rate), 0.0)
        return self.output(x)


def loss(model, images, labels, key):
    """Mean cross entropy, with a key for the dropout of each image."""
    keys = jax.random.split(key, len(images))
    logits = jax.vmap(model)(images, keys)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


optimizer = optax.adam(5e-3)


@eqx.filter_jit
def train_step(model, optimizer_state, images, labels, key):
    """One step of Adam."""
    gradients = eqx.filter_grad(loss)(model, images, labels, key)
    updates, optimizer_state = optimizer.update(gradients, optimizer_state)
    return eqx.apply_updates(model, updates), optimizer_state


@eqx.filter_jit
def accuracy(model, images, labels):
    """Share of the images whose digit is recognised."""
    return jnp.mean(jnp.argmax(jax.vmap(model)(images), axis=-1) == labels)


def main():
    """Trains on three quarters of the digits and prints the accuracy on the rest."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32)
    images, test_images, labels, test_labels = train_test_split(
        images, labels, test_size=0.25, random_state=0
    )
    rng = np.random.default_rng(0)
    key = jax.random.key(0)
    model = Network(key=key)
    optimizer_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    for epoch in range(EPOCHS):
        # Dropout sets in once the network has begun to learn, and grows from epoch to epoch.
        rate = 0.3 * epoch / (EPOCHS - 1)
        model = eqx.tree_at(lambda m: m.dropout_rate, model, rate)
        order = rng.permutation(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            key, step_key = jax.random.split(key)
            chosen = order[start : start + BATCH]
            model, optimizer_state = train_step(
                model, optimizer_state, images[chosen], labels[chosen], step_key
            )
    model = eqx.tree_at(lambda m: m.dropout_rate, model, 0.0)
    print(f"test accuracy {float(accuracy(model, test_images, test_labels)):.3f}")


if __name__ == "__main__":
    main()
