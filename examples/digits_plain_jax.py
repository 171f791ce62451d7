"""Train a network in plain JAX on scikit-learn's handwritten digits and print its test accuracy.

A program that knows nothing of jaxkit. See what it compiles more than once, and why, with
``jaxkit run examples/digits_plain_jax.py``.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS = 5


@dataclasses.dataclass(frozen=True)
class Config:
    """What stays the same for a run; the learning rate is lowered from epoch to epoch."""

    width: int = 64
    learning_rate: float = 0.5
    momentum: float = 0.9
    batch_size: int = 64


def init(key, sizes):
    """Weights and biases of a fully connected network."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        {
            "weight": jax.random.normal(k, (n, m)) * np.sqrt(2 / n),
            "bias": jnp.zeros(m),
        }
        for k, n, m in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def forward(params, images):
    """Scores of the ten digits."""
    x = images
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["weight"] + layer["bias"])
    return x @ params[-1]["weight"] + params[-1]["bias"]


def loss_fn(params, images, labels):
    """Mean cross entropy."""
    log_probabilities = jax.nn.log_softmax(forward(params, images))
    return -jnp.mean(jnp.take_along_axis(log_probabilities, labels[:, None], axis=1))


@functools.partial(jax.jit, static_argnames="config")
def train_step(params, velocity, images, labels, config):
    """One step of gradient descent with momentum."""
    gradients = jax.grad(loss_fn)(params, images, labels)
    velocity = jax.tree.map(lambda v, g: config.momentum * v + g, velocity, gradients)
    params = jax.tree.map(lambda p, v: p - config.learning_rate * v, params, velocity)
    return params, velocity


def train_epoch(params, velocity, images, labels, config):
    """One pass over the images, in batches of one size."""
    for start in range(0, len(images) - config.batch_size + 1, config.batch_size):
        part = slice(start, start + config.batch_size)
        params, velocity = train_step(params, velocity, images[part], labels[part], config)
    return params, velocity


def evaluate(params, images, labels):
    """Share of the images whose digit is recognised."""

    @jax.jit
    def correct(params):
        return jnp.mean(jnp.argmax(forward(params, images), axis=-1) == labels)

    return float(correct(params))


def main():
    """Trains on three quarters of the digits; prints the accuracy on the rest."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32)
    images, test_images, labels, test_labels = train_test_split(
        images, labels, test_size=0.25, random_state=0
    )
    config = Config(learning_rate=0.1)
    params = init(jax.random.key(0), (64, config.width, config.width, 10))
    velocity = jax.tree.map(jnp.zeros_like, params)
    rng = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        params, velocity = train_epoch(params, velocity, images[order], labels[order], config)
        config = dataclasses.replace(config, learning_rate=0.7 * config.learning_rate)
        recognised = evaluate(params, test_images, test_labels)
        print(f"epoch {epoch + 1}: test accuracy {recognised:.3f}")


if __name__ == "__main__":
    main()
