"""What clipping by the global norm costs, against optax and, where it is installed, PyTorch.

All sides clip the same 100 million float32 numbers, alternately, so that each sees the same
machine; a figure is a ratio of medians with the interval that 95% of bootstrap draws fall into.
Processor time tells the same with less noise where others compute.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import optax
from interleave import Comparison, compare, seconds_of

import jaxkit

LIMIT = 1.05


def ours(tree: Any, limit: Any) -> Any:
    """What jaxkit does, without the norm, which optax does not return."""
    return jaxkit.clip_by_global_norm(tree, limit)[0]


def theirs(tree: Any, limit: Any) -> Any:
    """What optax does."""
    return optax.clip_by_global_norm(limit).update(tree, optax.EmptyState())[0]


def gradients(numbers: int, leaves: int) -> list[jax.Array]:
    """As many numbers in so many leaves; normal, as most gradients are."""
    rng = np.random.default_rng(0)
    size = numbers // leaves
    return [jax.numpy.asarray(rng.standard_normal(size, np.float32)) for _ in range(leaves)]


def block(clip: Callable[..., Any], tree: Any, clock: Callable[[], float]) -> Callable[[], float]:
    """One call of a compiled clip, in seconds."""
    jax.block_until_ready(clip(tree, 1.0))
    return lambda: seconds_of(lambda: jax.block_until_ready(clip(tree, 1.0)), clock=clock)


def against_torch(tree: list[jax.Array], pairs: int) -> Comparison | None:
    """Ours and torch.nn.utils.clip_grad_norm_ on the same numbers; None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    parameters = [torch.zeros(x.shape) for x in tree]
    for parameter, x in zip(parameters, tree, strict=True):
        parameter.grad = torch.from_numpy(np.array(x))
    # It scales in place: a limit below the last makes it scale again.
    scale = iter(0.999**i for i in range(1, 10_000))

    def clip() -> object:
        return torch.nn.utils.clip_grad_norm_(parameters, next(scale) * 9_000.0)

    clip()
    return compare(
        block(jax.jit(ours), tree, time.perf_counter), lambda: seconds_of(clip), pairs=pairs
    )


def line(what: str, found: Comparison, limit: float | None) -> str:
    """A row of the table."""
    low, high = found.interval(lambda pair: pair.ratio)
    target = "" if limit is None else f"<= {limit}"
    missed = "missed" if limit is not None and found.ratio > limit else ""
    return f"{what:<58} {found.ratio:>7.3f}  {low:.3f} - {high:.3f}   {target:<8} {missed}"


def measure(numbers: int, pairs: int) -> Iterator[str]:
    """The rows."""
    for leaves in (1, 100):
        tree = gradients(numbers, leaves)
        name = f"{numbers / 1e6:.0f} million float32, {leaves} leaves"
        for clock, kind in ((time.perf_counter, "wall"), (time.process_time, "processor")):
            mine, other = (block(jax.jit(clip), tree, clock) for clip in (ours, theirs))
            found = compare(mine, other, pairs=pairs)
            yield line(f"{name}, optax, {kind} time", found, LIMIT)
        torch = against_torch(tree, pairs)
        yield (
            f"{name}, torch: not installed"
            if torch is None
            else line(f"{name}, torch, wall time", torch, None)
        )
    tree = [1e25 * x for x in gradients(numbers // 10, 1)]
    found = compare(
        block(jax.jit(ours), tree, time.perf_counter),
        block(jax.jit(theirs), tree, time.perf_counter),
        pairs=pairs,
    )
    yield line(f"{numbers / 1e7:.0f} million of 1e25 (optax: zeros), wall time", found, None)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the numbers")
    parser.add_argument("--pairs", type=int, default=20)
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, JAX {jax.__version__}, optax {optax.__version__}")
    print(f"{'ratio of medians, ours / theirs':<58} {'ratio':>7}  95% interval    target")
    for row in measure(10_000_000 if chosen.quick else 100_000_000, chosen.pairs):
        print(row, flush=True)


if __name__ == "__main__":
    main()
