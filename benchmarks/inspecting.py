"""What inspecting costs: a GPT-2-sized training step against JAX's own tracing of it.

The layers are unrolled, forward and backward, and the arguments are shapes alone. Both sides are
taken alternately; each block traces anew, as JAX would keep the trace otherwise.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from interleave import compare

from jaxkit.jaxpr._inspect import inspect

WIDTH, HEADS, VOCABULARY, TOKENS, BATCH = 768, 12, 50257, 1024, 8


def f32(*shape: int) -> jax.ShapeDtypeStruct:
    """A shape for an array."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def parameters(layers: int) -> dict[str, Any]:
    """The shapes of GPT-2's parameters."""
    d = WIDTH
    norm = {"scale": f32(d), "bias": f32(d)}
    layer = {
        "norm1": norm,
        "qkv": {"w": f32(d, 3 * d), "b": f32(3 * d)},
        "out": {"w": f32(d, d), "b": f32(d)},
        "norm2": norm,
        "up": {"w": f32(d, 4 * d), "b": f32(4 * d)},
        "down": {"w": f32(4 * d, d), "b": f32(d)},
    }
    return {
        "tokens": f32(VOCABULARY, d),
        "positions": f32(TOKENS, d),
        "layers": [layer] * layers,
        "norm": norm,
    }


def normalised(p: Any, x: Any) -> Any:
    """Layer norm."""
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * p["scale"] + p["bias"]


def dense(p: Any, x: Any) -> Any:
    """A linear layer."""
    return x @ p["w"] + p["b"]


def attention(p: Any, x: Any) -> Any:
    """Causal self-attention."""
    batch, tokens, width = x.shape
    q, k, v = jnp.split(dense(p["qkv"], x), 3, -1)
    q, k, v = (each.reshape(batch, tokens, HEADS, -1) for each in (q, k, v))
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(width / HEADS)
    scores = jnp.where(jnp.tril(jnp.ones((tokens, tokens), bool)), scores, -1e9)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
    return dense(p["out"], mixed.reshape(x.shape))


def loss(params: Any, tokens: Any) -> Any:
    """The mean cross entropy of each next token."""
    x = params["tokens"][tokens] + params["positions"]
    for p in params["layers"]:
        with jax.named_scope("attention"):
            x = x + attention(p, normalised(p["norm1"], x))
        with jax.named_scope("mlp"):
            x = x + dense(p["down"], jax.nn.gelu(dense(p["up"], normalised(p["norm2"], x))))
    logits = normalised(params["norm"], x) @ params["tokens"].T
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[..., None], -1)
    return -chosen.mean()


def step(params: Any, momentum: Any, tokens: Any) -> Any:
    """One step of gradient descent with momentum."""
    value, grads = jax.value_and_grad(loss)(params, tokens)
    momentum = jax.tree.map(lambda m, g: 0.9 * m + g, momentum, grads)
    return value, jax.tree.map(lambda p, m: p - 1e-3 * m, params, momentum), momentum


def seconds(block: Callable[[Any], object], arguments: Any) -> float:
    """How long a block takes with a function that JAX has not seen, its caches empty."""
    jax.clear_caches()
    fresh = lambda *args: step(*args)  # noqa: E731 - a new function each time
    start = time.perf_counter()
    block(fresh)
    return time.perf_counter() - start


def measure(pairs: int, more: int) -> Iterator[tuple[str, str, str, bool]]:
    """Rows: what, figure, target, met."""
    tokens = jax.ShapeDtypeStruct((BATCH, TOKENS), jnp.int32)
    times: dict[int, float] = {}
    for layers in (12, more):
        params = parameters(layers)
        arguments = (params, params, tokens)
        for lints, name in (([], "no lints"), (None, "default lints")):
            found = compare(
                lambda: seconds(lambda f: inspect(f, lints=lints)(*arguments), arguments),  # noqa: B023
                lambda: seconds(lambda f: jax.jit(f).trace(*arguments), arguments),  # noqa: B023
                pairs=pairs if layers == 12 else max(pairs // 4, 1),
            )
            ours = sorted(found.ours)[len(found.ours) // 2]
            what = f"inspect, {layers} layers, {name}: {ours:.2f} s against tracing"
            yield what, f"{found.ratio:.2f}", "< 2", found.ratio < 2
            if not lints and lints is not None:
                times[layers] = ours
    ratio = times[more] / times[12]
    yield (
        f"inspect, {more} layers against 12",
        f"{ratio:.2f}",
        f"< {1.2 * more / 12:g}",
        (ratio < 1.2 * more / 12),
    )


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--layers", type=int, default=120, help="of the larger step")
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, JAX {jax.__version__}, {platform.machine()}")
    missed = 0
    for what, figure, target, met in measure(chosen.pairs, chosen.layers):
        missed += not met
        print(f"{what:<66} {figure:>6}  {target:<6} {'' if met else 'missed'}", flush=True)
    print(f"{missed} missed" if missed else "all met")


if __name__ == "__main__":
    main()
