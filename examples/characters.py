"""A Transformer that learns to write as jaxkit's own licence and docs do, character by character.

    python examples/characters.py              # a minute or two; prints a sample of its own
    python examples/characters.py --steps 150

Its loss stands beside what counting gives: a model that beats pairs of characters uses what came
before the last one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxkit
from jaxkit.models import Transformer, generate
from jaxkit.training import Result, fit

ROOT = Path(__file__).parents[1]
WIDTH, DEPTH, HEADS, CONTEXT, BATCH = 64, 3, 4, 64, 16
STEPS_AN_EPOCH = 50


def read() -> str:
    """The licence, and the pages in docs/."""
    paths = [ROOT / "LICENSE", *sorted((ROOT / "docs").glob("*.md"))]
    return "\n".join(path.read_text("utf-8") for path in paths)


class Text:
    """A text as numbers, the last tenth of it kept apart to judge by."""

    def __init__(self, text: str):
        """Numbers the characters in the order of their code points."""
        self.characters = sorted(set(text))
        number = {character: i for i, character in enumerate(self.characters)}
        tokens = np.array([number[character] for character in text], np.int32)
        cut = len(tokens) * 9 // 10
        self.training, self.validation = tokens[:cut], tokens[cut:]

    def encode(self, text: str) -> np.ndarray:
        """The numbers of a text."""
        return np.array([self.characters.index(character) for character in text], np.int32)

    def decode(self, tokens: Any) -> str:
        """The text of numbers."""
        return "".join(self.characters[int(token)] for token in tokens)

    def batches(self, epoch: int) -> Iterator[dict[str, np.ndarray]]:
        """Windows of one character more than the context, drawn by the epoch's number."""
        rng = np.random.default_rng(epoch)
        for _ in range(STEPS_AN_EPOCH):
            starts = rng.integers(0, len(self.training) - CONTEXT, size=BATCH)
            yield {"tokens": np.stack([self.training[i : i + CONTEXT + 1] for i in starts])}

    def judged_by(self) -> list[dict[str, np.ndarray]]:
        """The validation text in windows that do not overlap."""
        count = (len(self.validation) - 1) // CONTEXT
        windows = [self.validation[i * CONTEXT :][: CONTEXT + 1] for i in range(count)]
        return [{"tokens": np.stack(windows[i : i + BATCH])} for i in range(0, count, BATCH)]


def loss(model: Transformer, batch: Any) -> Any:
    """The cross entropy of the next character, a number for each window."""
    tokens = batch["tokens"]
    logits = jax.vmap(model)(tokens[:, :-1])
    return optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]).mean(axis=-1)


def counted(text: Text) -> tuple[float, float]:
    """The cross entropy of single characters and of pairs, counted, on the validation text."""
    n = len(text.characters)
    single = np.bincount(text.training, minlength=n) + 1.0
    pairs = np.zeros((n, n))
    np.add.at(pairs, (text.training[:-1], text.training[1:]), 1)
    # An unseen pair is as likely as its second character is by itself.
    pairs = pairs + single / single.sum()
    before, after = text.validation[:-1], text.validation[1:]
    chances = pairs[before, after] / pairs.sum(axis=1)[before]
    return -np.log(single / single.sum())[after].mean(), -np.log(chances).mean()


def untrained(text: Text) -> Transformer:
    """The model with random weights."""
    return Transformer(
        vocabulary=len(text.characters),
        width=WIDTH,
        depth=DEPTH,
        heads=HEADS,
        context=CONTEXT,
        key=jax.random.key(0),
    )


def train(text: Text, *, steps: int) -> Result:
    """AdamW with a warm-up and a decay to zero."""
    rate = optax.warmup_cosine_decay_schedule(0.0, 4e-3, steps // 10, steps)
    return fit(
        untrained(text),
        loss,
        text.batches,
        optax.adamw(rate, weight_decay=0.1),
        steps=steps,
        transforms=[jaxkit.clip_gradients(max_norm=1.0, has_value=True)],
        validation=text.judged_by(),
    )


def write(model: Transformer, text: Text, prompt: str, *, pieces: int = 4) -> str:
    """What the model makes of a prompt: longer than its context, piece by piece."""
    written = prompt
    for key in jax.random.split(jax.random.key(1), pieces):
        end = written[-len(prompt) :]  # of one length, so that nothing is compiled again
        tokens = generate(
            model, jnp.asarray(text.encode(end)), CONTEXT - len(end), key=key, temperature=0.7
        )
        written += text.decode(tokens)
    return written


def main() -> None:
    """Trains, compares with counting, and lets the model write."""
    options = argparse.ArgumentParser(description="Trains a Transformer on our own docs.")
    options.add_argument("--steps", type=int, default=1000)
    options.add_argument("--prompt", default="The function ")
    given = options.parse_args()
    text = Text(read())
    if not 0 < len(given.prompt) < CONTEXT or not set(given.prompt) <= set(text.characters):
        options.error(f"--prompt must be 1 to {CONTEXT - 1} characters that are in the text")
    single, pair = counted(text)
    print(f"{len(text.training)} characters to learn from, {len(text.validation)} to judge by")
    print(f"loss of a guess among {len(text.characters)}: {np.log(len(text.characters)):.3f}")
    print(f"loss of single characters, counted: {single:.3f}; of pairs: {pair:.3f}")
    result = train(text, steps=given.steps)
    for row in result.history:
        if "validation_loss" in row:
            print(
                f"step {row['step']:4}: {row['loss']:.3f}, validation {row['validation_loss']:.3f}"
            )
    print(result.report)
    print(f"sample: {write(result.model, text, given.prompt)}")


if __name__ == "__main__":
    main()
