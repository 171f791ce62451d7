"""A convolutional network on scikit-learn's handwritten digits, trained by jaxkit.training.fit.

python examples/digits.py                      # 97% and more of the test images, in seconds
python examples/digits.py --checkpoints runs   # killed at any moment, it goes on where it was
JAX_NUM_CPU_DEVICES=4 python examples/digits.py --devices all   # each batch on four devices
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import jaxkit
from jaxkit.models import ConvNet, summary
from jaxkit.training import Checkpoints, EarlyStopping, Result, fit

BATCH = 64
Batch = dict[str, np.ndarray]


def data() -> tuple[Batch, ...]:
    """The images that are trained with, those that say when to stop, and those for the end."""
    flat, digits = load_digits(return_X_y=True)
    images = np.reshape(flat, (-1, 8, 8, 1)).astype(np.float32) / 16
    labels = np.asarray(digits, np.int32)
    rest, test = train_test_split(np.arange(len(labels)), test_size=0.25, random_state=0)
    training, validation = train_test_split(rest, test_size=0.1, random_state=0)
    return tuple(
        {"image": images[rows], "label": labels[rows]} for rows in (training, validation, test)
    )


def batches(examples: Batch, order: np.ndarray) -> Iterator[Batch]:
    """The examples in an order; the last batch is smaller, and fit pads it."""
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        yield {name: array[rows] for name, array in examples.items()}


def shuffled(examples: Batch) -> Callable[[int], Iterator[Batch]]:
    """The batches of each epoch: its number alone decides their order, so that a run can resume."""

    def of_epoch(epoch: int) -> Iterator[Batch]:
        return batches(examples, np.random.default_rng(epoch).permutation(len(examples["label"])))

    return of_epoch


def loss(model: ConvNet, batch: Any) -> tuple[Any, dict[str, Any]]:
    """The cross entropy of each image, and whether its digit is recognised."""
    logits = jax.vmap(model)(batch["image"])
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
    return losses, {"accuracy": jnp.argmax(logits, axis=-1) == batch["label"]}


def train(
    examples: Batch,
    validation: Batch,
    *,
    epochs: int,
    checkpoints: str | None = None,
    devices: Any = None,
) -> Result:
    """Until the validation images are recognised no better for a while."""
    return fit(
        ConvNet(key=jax.random.key(0)),
        loss,
        shuffled(examples),
        optax.adam(3e-3),
        epochs=epochs,
        has_aux=True,
        transforms=[jaxkit.clip_gradients(max_norm=1.0, has_value=True)],
        validation=list(batches(validation, np.arange(len(validation["label"])))),
        early_stopping=EarlyStopping("validation_loss", patience=8, restore_best=True),
        checkpoints=None if checkpoints is None else Checkpoints(checkpoints, every=200),
        devices=devices,
        log_every=1000,  # no row of the history but that at the end of an epoch
    )


def main() -> None:
    """Trains, and prints the accuracy on images that nothing was decided by."""
    options = argparse.ArgumentParser(description="Trains a ConvNet on digits.")
    options.add_argument("--epochs", type=int, default=40)
    options.add_argument("--checkpoints", help="a directory to go on from")
    options.add_argument("--devices", help="a number, or all")
    given = options.parse_args()
    devices = int(given.devices) if (given.devices or "").isdigit() else given.devices
    examples, validation, test = data()
    print(summary(ConvNet(key=jax.random.key(0)), examples["image"][0]))
    result = train(
        examples, validation, epochs=given.epochs, checkpoints=given.checkpoints, devices=devices
    )
    for row in result.history:
        if "validation_accuracy" in row:
            print(
                f"epoch {row['epoch'] + 1:2}: loss {row['loss']:.4f}, "
                f"validation accuracy {row['validation_accuracy']:.3f}"
            )
    print(result.report)
    _, metrics = jax.jit(loss)(result.model, test)
    print(f"test accuracy {float(metrics['accuracy'].mean()):.4f}")


if __name__ == "__main__":
    main()
