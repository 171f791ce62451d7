"""Programs in double precision against the same functions under x64, which NumPy agrees with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxkit
from jaxkit._jax import jaxprs
from jaxkit._jax.x64 import with_x64
from jaxkit.jaxpr.rule import Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics.precision.callbacks import Tape
from jaxkit.numerics.precision.doubles import Wide

X = jnp.asarray(np.random.default_rng(3).uniform(0.5, 2, (4, 4)), jnp.float32)

FUNCTIONS = {
    "elementwise": lambda x: jnp.sin(x) * jnp.exp(-x) + jnp.sqrt(x) ** 3,
    "product": lambda x: x @ x.T,
    "sums": lambda x: (jnp.cumsum(x, 0), jnp.mean(x), jnp.var(x, 1), jnp.prod(x)),
    "sorted": lambda x: (jnp.sort(x.ravel()), lax.top_k(x, 2)[0], jnp.argmax(x)),
    "scattered": lambda x: x.at[jnp.array([0, 0, 3])].add(2.0).at[1].mul(x[2]).at[2].set(0.5),
    "gathered": lambda x: jnp.take_along_axis(x, jnp.argsort(x, 1), 1),
    "loop": lambda x: lax.scan(lambda c, row: (c * 0.5 + row, c), x[0], x),
    "branch": lambda x: lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x),
    "turns": lambda x: lax.fori_loop(0, 3, lambda i, c: c * x + i, x),
    "solved": lambda x: jnp.linalg.solve(x + 4 * jnp.eye(4), x),
    "decomposed": lambda x: jnp.linalg.cholesky(x @ x.T + jnp.eye(4)),
    "transformed": lambda x: jnp.fft.fft(x),
    "convolved": lambda x: lax.conv(x[None, None], x[None, None, :2, :2], (1, 1), "SAME"),
    "gradient": jax.grad(lambda x: jnp.sum(jax.nn.softmax(x) * jnp.tanh(x))),
    "pooled": lambda x: lax.reduce_window(x, 0.0, lax.add, (2, 2), (1, 1), "VALID"),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_equations_in_double_precision(name) -> None:
    program = jaxprs.trace(FUNCTIONS[name], (X,), {})
    with with_x64():

        def evaluate(inputs):
            run = Run(Wide({}, None, Tape()))
            boxes = [run.lift(value) for value in inputs]
            return run.closed(program.written, boxes, (), Where())[0]

        found = jax.jit(evaluate)(program.inputs)
    wanted = jax.tree.leaves(jaxkit.x64(jax.jit(FUNCTIONS[name]))(X))
    for one, other in zip(found, wanted, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        if np.issubdtype(other.dtype, np.inexact):
            assert one.dtype in (np.float64, np.complex128)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def principal_scores(x: jax.Array) -> jax.Array:
    return x @ jnp.linalg.svd(x, full_matrices=False)[2].T


DIRECTIONS = {
    "eigh": lambda x: jnp.linalg.eigh(x.T @ x)[1],
    "eigh_complex": lambda x: jnp.linalg.eigh(x.T @ x + 1j * (x[:7, :7] - x[:7, :7].T))[1],
    "svd": lambda x: jnp.linalg.svd(x[:7]),
    "svd_thin": lambda x: jnp.linalg.svd(x, full_matrices=False),
    "scores": principal_scores,
    "batched": jax.vmap(lambda x: jnp.linalg.eigh(x.T @ x)[1]),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", list(DIRECTIONS))
def test_directions_that_have_no_sign_may_be_either(name: str, seed: int) -> None:
    shape = (3, 9, 7) if name == "batched" else (9, 7)
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    report = jaxkit.shadow(DIRECTIONS[name], rtol=1e-3)(x)
    assert report.ok, str(report)


def test_directions_that_are_lost_are_found() -> None:
    x = np.eye(4, dtype=np.float32) + 1e-7 * np.ones((4, 4), np.float32)
    x[0, 0] += 5
    report = jaxkit.shadow(lambda x: jnp.linalg.eigh(x * 1.1 / 1.1)[1])(x)
    assert [f.kind for f in report.findings[:1]] == ["ill-conditioned"]
