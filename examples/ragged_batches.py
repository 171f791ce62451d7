"""Train a small network to tell two kinds of recorded signals apart; recordings differ in length.

A plain JAX program that knows nothing of jaxkit: ``jaxkit run examples/ragged_batches.py`` says
what it compiles more than once, why, and what that costs.
"""

import jax
import jax.numpy as jnp
import numpy as np

BATCH = 32
EPOCHS = 5


def record(rng, kind):
    """A noisy wave of 48 to 56 samples; the two kinds differ in frequency."""
    time = np.arange(rng.integers(48, 57), dtype=np.float32)
    wave = np.sin((0.5 if kind else 0.3) * time + rng.uniform(0, 6))
    return (3.0 + wave + rng.normal(scale=0.5, size=time.shape)).astype(np.float32)


def standardise(signal):
    """Mean 0 and standard deviation 1, whatever the sensor's gain was."""
    return np.asarray((signal - jnp.mean(signal)) / jnp.std(signal))


def batches(signals, kinds, rng):
    """Shuffled batches, each padded with zeros to its longest signal."""
    order = rng.permutation(len(signals))
    for start in range(0, len(signals), BATCH):
        chosen = order[start : start + BATCH]
        signal = np.zeros((len(chosen), max(len(signals[i]) for i in chosen)), np.float32)
        for row, i in zip(signal, chosen, strict=True):
            row[: len(signals[i])] = signals[i]
        yield {"signal": signal, "kind": kinds[chosen]}


def logits(params, signal):
    """Eight learned filters over time, then the energy that each of them lets through."""
    convolve = jax.vmap(jnp.convolve, in_axes=(None, 0))
    filtered = jax.vmap(convolve, in_axes=(0, None))(signal, params["filters"])
    return jnp.mean(jnp.square(filtered), axis=-1) @ params["weights"] + params["bias"]


@jax.jit
def train_step(state, batch):
    """One step of gradient descent with momentum."""

    def loss_of(params):
        z = logits(params, batch["signal"])
        return jnp.mean(jnp.logaddexp(0.0, z) - batch["kind"] * z)

    loss, grads = jax.value_and_grad(loss_of)(state["params"])
    velocity = jax.tree.map(lambda v, g: 0.9 * v + g, state["velocity"], grads)
    params = jax.tree.map(lambda p, v: p - 0.1 * v, state["params"], velocity)
    smooth = 0.9 * state["smooth_loss"] + 0.1 * loss
    return {"params": params, "velocity": velocity, "smooth_loss": smooth}


def main():
    """Trains, and prints a running mean of the loss after each pass over the data."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, size=200).astype(np.float32)
    signals = [standardise(record(rng, kind)) for kind in kinds]
    params = {
        "filters": rng.normal(scale=0.2, size=(8, 16)).astype(np.float32),
        "weights": rng.normal(scale=0.2, size=8).astype(np.float32),
        "bias": np.float32(0.0),
    }
    velocity = jax.tree.map(np.zeros_like, params)
    state = {"params": params, "velocity": velocity, "smooth_loss": 0.7}
    for epoch in range(EPOCHS):
        for batch in batches(signals, kinds, rng):
            state = train_step(state, batch)
        print(f"epoch {epoch + 1}: loss {float(state['smooth_loss']):.3f}")


if __name__ == "__main__":
    main()
