"""`python benchmarks/numerics.py`: what precision debugging costs, against plain `jax.jit`.

Both sides run alternately in one process; the ratio is that of the medians. The first call of each
side, with tracing and compiling, is measured beside, five times in turns. An op-by-op shadow in
NumPy's manner, as one writes it with a hook at each operation, runs beside for comparison.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from interleave import compare

import jaxkit
from jaxkit._jax import jaxprs
from jaxkit._jax.x64 import with_x64
from jaxkit.jaxpr import walk
from jaxkit.transforms import get

FIRSTS = 5  # first calls of each side


class Subject(NamedTuple):
    """A function with its arguments, and how often it is called in a block."""

    fun: Callable[..., Any]
    args: tuple[Any, ...]
    calls: int


def normal(seed: int, *shape: int, scale: float = 1.0) -> jax.Array:
    """Normal values."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape) * scale, jnp.float32)


def layers(seed: int, sizes: Sequence[int]) -> list[dict[str, jax.Array]]:
    """The parameters of dense layers."""
    return [
        {"w": normal(seed + i, n, m, scale=n**-0.5), "b": jnp.zeros(m)}
        for i, (n, m) in enumerate(itertools.pairwise(sizes))
    ]


def adam(loss: Callable[..., jax.Array], params: Any, mean: Any, square: Any, *batch: Any) -> Any:
    """A step of Adam, written out."""
    value, slope = jax.value_and_grad(loss)(params, *batch)
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slope)
    square = jax.tree.map(lambda s, g: 0.99 * s + 0.01 * g * g, square, slope)
    change = jax.tree.map(lambda m, s: m / (jnp.sqrt(s) + 1e-8), mean, square)
    return value, jax.tree.map(lambda p, c: p - 1e-3 * c, params, change), mean, square


def spread(x: jax.Array) -> jax.Array:
    """A variance that loses its digits where the mean is large."""
    return (x * x).mean() - x.mean() ** 2


def mlp_step(fault: bool) -> Subject:
    """An MLP of four layers and Adam."""

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        bias = 1e-3 * spread(y + 3000) if fault else 0.0
        for layer in params[:-1]:
            x = jax.nn.gelu(x @ layer["w"] + layer["b"])
        return jnp.mean((x @ params[-1]["w"] + params[-1]["b"] - y) ** 2) + bias

    params = layers(0, (128, 256, 256, 256, 1))
    zeros = jax.tree.map(jnp.zeros_like, params)
    batch = normal(7, 256, 128), normal(8, 256, 1)
    return Subject(lambda *a: adam(loss, *a), (params, zeros, zeros, *batch), 5)


def transformer_step(fault: bool) -> Subject:
    """A transformer of two layers and Adam."""
    width, heads, tokens, batch = 128, 4, 64, 8

    def norm(x: jax.Array) -> jax.Array:
        return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)

    def block(p: Any, x: jax.Array) -> jax.Array:
        parts = (norm(x) @ p["qkv"]).reshape(batch, tokens, 3, heads, -1)
        q, k, v = parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * (width / heads) ** -0.5
        scores = jnp.where(jnp.tril(jnp.ones((tokens, tokens), bool)), scores, -jnp.inf)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v).reshape(x.shape)
        x = x + mixed @ p["out"]
        return x + jax.nn.gelu(norm(x) @ p["up"]) @ p["down"]

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        bias = 1e-3 * spread(y + 3000) if fault else 0.0
        for p in params["blocks"]:
            x = block(p, x)
        return jnp.mean((norm(x) @ params["head"] - y) ** 2) + bias

    sizes = {"qkv": (1, 3), "out": (1, 1), "up": (1, 4), "down": (4, 1)}
    blocks = [
        {
            name: normal(10 * i + j, n * width, m * width, scale=(n * width) ** -0.5)
            for j, (name, (n, m)) in enumerate(sizes.items())
        }
        for i in range(2)
    ]
    params = {"blocks": blocks, "head": normal(99, width, 1, scale=width**-0.5)}
    zeros = jax.tree.map(jnp.zeros_like, params)
    data = normal(7, batch, tokens, width), normal(8, batch, tokens, 1)
    return Subject(lambda *a: adam(loss, *a), (params, zeros, zeros, *data), 2)


def rnn(fault: bool) -> Subject:
    """A recurrent network over 200 steps, its loss and gradient."""

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        def step(carry: Any, x: jax.Array) -> Any:
            h, total = carry
            h = jnp.tanh(x @ params["in"] + h @ params["rec"])
            seen = h + 4000.0 if fault else h
            return (h, total + (seen * seen).mean() - seen.mean() ** 2), None

        h = jnp.zeros((32, 128))
        return jax.lax.scan(step, (h, jnp.float32(0)), xs)[0][1] / 200

    params = {
        "in": normal(0, 64, 128, scale=0.125),
        "rec": normal(1, 128, 128, scale=128**-0.5),
    }
    return Subject(jax.value_and_grad(loss), (params, normal(2, 200, 32, 64)), 2)


SUBJECTS = {"MLP step": mlp_step, "transformer step": transformer_step, "RNN of 200": rnn}


def seconds(call: Callable[..., Any], subject: Subject) -> float:
    """How long a block of calls takes."""
    start = time.perf_counter()
    for _ in range(subject.calls):
        jax.block_until_ready(_waited(call(*subject.args)))
    return time.perf_counter() - start


def _waited(out: Any) -> Any:
    return () if isinstance(out, jaxkit.Report) else out


def first_call(call: Callable[..., Any], subject: Subject) -> float:
    """How long the first call takes, everything included."""
    jax.clear_caches()
    return seconds(call, subject._replace(calls=1))


def first_calls(ours: Callable[..., Any], theirs: Callable[..., Any], subject: Subject) -> float:
    """The ratio of first calls: of the medians of some, made in turns."""
    pairs = [(first_call(ours, subject), first_call(theirs, subject)) for _ in range(FIRSTS)]
    mine, other = (statistics.median(each) for each in zip(*pairs, strict=True))
    return mine / other


def op_by_op(subject: Subject) -> Callable[..., Any]:
    """Each operation twice, one after the other, with its error: no program around them."""
    program = jaxprs.trace(subject.fun, subject.args, {})
    flat = not any(site.role in ("loop_body", "branch") for site in walk(program.written))

    def evaluate(*args: Any) -> Any:
        del args
        from jaxkit.jaxpr.rule import Rule, Where
        from jaxkit.jaxpr.run import Run
        from jaxkit.numerics.precision.wide import NOT_WIDE, up, wide

        class Both(Rule):
            def lift(self, value: Any) -> Any:
                return value, up(value)

            def primal(self, box: Any) -> Any:
                return box[0]

            def equation(self, at: Any, boxes: Any) -> Any:
                narrow = at.run([box[0] for box in boxes])
                try:
                    double = wide(at.eqn, [box[1] for box in boxes])
                except NOT_WIDE:
                    double = [up(value) for value in narrow]
                for one, other in zip(narrow, double, strict=True):
                    if jnp.issubdtype(one.dtype, jnp.floating):
                        errors.append(jnp.max(jnp.abs(one - other) / (jnp.abs(other) + 1e-300)))
                return list(zip(narrow, double, strict=True))

        errors: list[Any] = []
        with with_x64():
            inputs = [(x, up(x)) for x in program.inputs]
            Run(Both()).closed(program.written, inputs, (), Where())
        return [] if not flat else [float(error) for error in errors]

    return evaluate


def rows(name: str, pairs: int) -> Iterator[tuple[str, str, str, bool]]:
    """Rows of one subject: what, figure, target, met."""
    for fault, what, target in ((False, "sound, shadow", 3.0), (True, "fully attributed", 10.0)):
        subject = SUBJECTS[name](fault)
        rtol = None if fault else 1e-2
        ratio = first_calls(
            lambda *a, f=subject.fun, r=rtol: jaxkit.shadow(f, rtol=r)(*a),
            lambda *a, f=subject.fun: jax.jit(f)(*a),
            subject,
        )
        plain = jax.jit(subject.fun)
        shadowed: Any = jaxkit.shadow(subject.fun, rtol=rtol)
        report = shadowed(*subject.args)
        seen = report.findings[0].kind if report.findings else "nothing"
        yield from _compared(f"{name}, {what} ({seen})", shadowed, plain, subject, pairs, target)
        yield f"{name}, {what}: first call", f"{ratio:.1f}", "< 10", ratio < 10
    subject = SUBJECTS[name](False)
    guarded = jax.jit(get("nan_origin")(subject.fun))
    plain = jax.jit(subject.fun)
    what = f"{name}, nan_origin as a transform"
    yield from _compared(what, guarded, plain, subject, pairs, 3.0)
    if name != "RNN of 200":  # its loop would be one operation
        eager = op_by_op(subject)
        yield from _compared(f"{name}, op by op", eager, plain, subject._replace(calls=1), 2, None)


def _compared(
    what: str, ours: Any, theirs: Any, subject: Subject, pairs: int, target: float | None
) -> Iterator[tuple[str, str, str, bool]]:
    seconds(ours, subject._replace(calls=1))
    seconds(theirs, subject._replace(calls=1))
    found = compare(lambda: seconds(ours, subject), lambda: seconds(theirs, subject), pairs=pairs)
    low, high = found.interval(lambda each: each.ratio)
    figure = f"{found.ratio:.2f} ({low:.2f} - {high:.2f})"
    yield what, figure, f"< {target:g}" if target else "", target is None or found.ratio < target


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--only", choices=list(SUBJECTS), action="append")
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, JAX {jax.__version__}, {platform.machine()}")
    missed = 0
    for name in chosen.only or SUBJECTS:
        for what, figure, target, met in rows(name, chosen.pairs):
            missed += not met
            print(f"{what:<58} {figure:>22}  {target:<5} {'' if met else 'missed'}", flush=True)
    print(f"{missed} missed" if missed else "all met")


if __name__ == "__main__":
    main()
