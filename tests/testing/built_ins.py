"""The transforms that jaxkit brings, held to all laws; prints the table of docs/laws.md.

    python -m tests.testing.built_ins [--level quick|standard|full]

Level full takes some minutes. The suite runs level quick of the same list.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from typing import Any, NamedTuple

os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")

import jax
import jax.numpy as jnp

import jaxkit
from jaxkit.report import Report
from jaxkit.testing import Subject, check_transform
from jaxkit.timing import timed
from jaxkit.transforms import get


class Case(NamedTuple):
    """A transform with its options, and functions that it is made for where it needs such."""

    transform: Any
    subjects: tuple[Subject, ...] | None = None


def _loss(w: Any, x: Any) -> Any:
    return jnp.mean(jnp.tanh(x @ w) ** 2)


def _rows(x: Any) -> Any:
    return jnp.tanh(x) * 2.0


_W, _X = jnp.linspace(-1.0, 1.0, 6).reshape(3, 2), jnp.linspace(0.1, 2.0, 12).reshape(4, 3)
_BATCH = (Subject(jax.grad(_loss), (_W, _X), name="gradient of a batch"),)
_ROWS = (Subject(_rows, (_X,), name="rows"),)

BUILT_INS = (
    Case(jaxkit.clip_gradients(max_norm=1.0)),
    Case(jaxkit.clip_gradients(max_norm=1.0, by="leaf_norm")),
    Case(jaxkit.clip_gradients(max_norm=1.0, by="value")),
    Case(jaxkit.clip_gradients(max_norm=1.0, on_nonfinite="zero")),
    Case(jaxkit.accumulate_gradients(n=2), _BATCH),
    Case(jaxkit.bucket(in_axes={"x": 0}, sizes=(4, 8), out_axes=0, mask=None), _ROWS),
    Case(jaxkit.check_finite),
    Case(jaxkit.emulate(dtype="bf16")),
    Case(jaxkit.max_compiles(n=1_000)),
    Case(get("nan_origin")),
    Case(get("shadow")),
    Case(timed),
    Case(jaxkit.x64),
    Case(jaxkit.x64(cast_back=True)),
)


def row(report: Report, seconds: float) -> str:
    """A line of the table: what was checked, what was broken, what was left out and why."""
    broken = ", ".join(f"`{finding.kind}`" for finding in report.findings) or "none"
    left = ", ".join(f"`{law}`" for law in report.data["not_checked"]) or "none"
    count = len(report.data["checked"])
    return f"| `{report.data['transform']}` | {count} | {broken} | {left} | {seconds:.0f} s |"


def main() -> int:
    """Prints the table; exits with 1 if a law was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", choices=["quick", "standard", "full"], default="full")
    level = parser.parse_args().level
    versions = f"Python {platform.python_version()}, JAX {jax.__version__}"
    print(f"Level {level}, {versions}, {len(jax.devices())} CPU devices:\n")
    print("| transform | laws checked | broken | free of, by its tags | took |")
    print("|---|---|---|---|---|")
    broken = False
    for case in BUILT_INS:
        begin = time.perf_counter()
        report = check_transform(case.transform, subjects=case.subjects, level=level)
        print(row(report, time.perf_counter() - begin), flush=True)
        for finding in report.findings:
            print(f"{finding.kind}: {finding.message}", file=sys.stderr)
        broken = broken or bool(report.findings)
    return int(broken)


if __name__ == "__main__":
    raise SystemExit(main())
