"""Each model with inputs for it, in sizes that are drawn from a few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jaxkit.models import GRU, MLP, ConvNet, LinearRegression, Transformer


@dataclass(frozen=True)
class Subject:
    """How to make a model and an example for it.

    `make(sizes, dtype)` gives the model, `example(sizes, seed)` what it takes, `out(sizes)` the
    shape of what it returns.
    """

    name: str
    sizes: tuple[dict[str, int], ...]
    make: Callable[[dict[str, int], Any], Any]
    example: Callable[[dict[str, int], int], Any]
    out: Callable[[dict[str, int]], tuple[int, ...]]
    logits: bool = False

    def model(self, sizes: dict[str, int], dtype: Any = None) -> Any:
        """A model, made once, and by one program: else each of its arrays takes one of its own."""
        made = self.name, *sizes.values(), dtype
        if made not in _MODELS:
            _MODELS[made] = jax.jit(lambda: self.make(sizes, dtype))()
        return _MODELS[made]


_MODELS: dict[Any, Any] = {}


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def tokens(seed: int, size: int, vocabulary: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, vocabulary, size=size).astype(np.int32)


KEY = jax.random.key(0)

SUBJECTS = (
    Subject(
        "linear_regression",
        ({"i": 1, "o": 1}, {"i": 3, "o": 2}, {"i": 5, "o": 1}),
        lambda s, dtype: LinearRegression(s["i"], s["o"], key=KEY, dtype=dtype),
        lambda s, seed: normal(seed, s["i"]),
        lambda s: (s["o"],),
    ),
    Subject(
        "mlp",
        ({"i": 3, "o": 2, "width": 5, "depth": 2}, {"i": 1, "o": 1, "width": 2, "depth": 0}),
        lambda s, dtype: MLP(
            s["i"], s["o"], s["width"], s["depth"], key=KEY, activation=jnp.tanh, dtype=dtype
        ),
        lambda s, seed: normal(seed, s["i"]),
        lambda s: (s["o"],),
    ),
    Subject(
        "conv_net",
        ({"h": 5, "w": 4, "c": 2, "o": 3}, {"h": 2, "w": 3, "c": 1, "o": 1}),
        lambda s, dtype: ConvNet(
            (s["h"], s["w"], s["c"]), s["o"], (3, 2)[: s["c"]], key=KEY, dtype=dtype
        ),
        lambda s, seed: normal(seed, s["h"], s["w"], s["c"]),
        lambda s: (s["o"],),
        logits=True,
    ),
    Subject(
        "gru",
        ({"i": 2, "o": 3, "width": 4, "time": 5}, {"i": 1, "o": 1, "width": 1, "time": 1}),
        lambda s, dtype: GRU(s["i"], s["o"], s["width"], key=KEY, dtype=dtype),
        lambda s, seed: normal(seed, s["time"], s["i"]),
        lambda s: (s["time"], s["o"]),
    ),
    Subject(
        "transformer",
        (
            {"v": 5, "width": 4, "depth": 2, "heads": 2, "context": 6, "time": 5},
            {"v": 2, "width": 2, "depth": 1, "heads": 1, "context": 3, "time": 3},
        ),
        lambda s, dtype: Transformer(
            s["v"], s["width"], s["depth"], s["heads"], s["context"], key=KEY, dtype=dtype
        ),
        lambda s, seed: tokens(seed, s["time"], s["v"]),
        lambda s: (s["time"], s["v"]),
        logits=True,
    ),
)


@st.composite
def cases(draw: Any, subject: Subject) -> tuple[dict[str, int], int]:
    """Sizes of one of the few, and a seed for the example."""
    return draw(st.sampled_from(subject.sizes)), draw(st.integers(0, 2**16))


def call(model: Any, x: Any) -> Any:
    return model(x)
