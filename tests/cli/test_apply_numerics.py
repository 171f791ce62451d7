"""`jaxkit run --apply` with the numerical tools, on a program that is not edited."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from tests.cli.both import jaxkit

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np

def spread(x):
    mean = x.mean()
    return (x * x).mean() - mean * mean

def third(x):
    return x / 3

@jax.jit
def step(w, x):
    value, slope = jax.value_and_grad(lambda w: ((x @ w) ** 2).mean() + 1e-3 * spread(x))(w)
    return w - 1e-9 * slope, value

w = jnp.ones(4) * 1e-4
for i in range(3):
    w, value = step(w, np.random.default_rng(i).normal(1000, 1, (32, 4)).astype(np.float32))
print(float(third(jnp.float32(1))))
"""
BAD = """
import jax, jax.numpy as jnp

@jax.jit
def loss_fn(x):
    shifted = x - x.max()
    return jnp.log(shifted).sum()

for i in range(3):
    print(float(loss_fn(jnp.arange(3.0) + i)))
"""


def test_what_is_found_is_in_the_summary_the_reports_and_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(textwrap.dedent(PROGRAM))
    found = jaxkit(
        *("run", "--apply", "shadow@spread", "--apply", "emulate:dtype=bf16@third"),
        *("--fail-on", "cancellation", "--report", "out.json", "--report", "out.html"),
        "train.py",
        cwd=tmp_path,
    )
    assert found.code == 1
    assert found.stdout == b"0.333984375\n"  # a third in bf16
    said = " ".join(found.stderr.decode().split())
    assert "jaxkit: applied shadow to spread (train.py:4)" in said
    assert "cancellation" in said
    assert said.endswith("jaxkit: exit code 1: --fail-on cancellation")
    assert "eager operations" in said  # the program's own
    compiled = said.split("compiled as often as needed: ")[1].split(" (")[0]
    assert sorted(compiled.split(" and ")) == ["_run", "step"]  # what looks is not counted
    report = json.loads((tmp_path / "out.json").read_text("utf-8"))
    first = report["findings"][0]
    assert (report["tool"], first["kind"], first["where"]["line"]) == (
        "compiles",
        "cancellation",
        6,
    )
    assert "cancellation" in (tmp_path / "out.html").read_text("utf-8")


def test_where_the_nan_was_made(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(textwrap.dedent(BAD))
    found = jaxkit(
        *("run", "--apply", "nan_origin@loss_fn", "--report", "out.json", "bad.py"), cwd=tmp_path
    )
    said = found.stderr.decode()
    assert found.code == 1
    assert found.stdout == b""
    assert "Traceback" in said
    assert "NonFiniteError: loss_fn (bad.py:5) returned a value that is not finite" in said
    first = json.loads((tmp_path / "out.json").read_text("utf-8"))["findings"][0]
    assert first["where"]["line"] == 7
