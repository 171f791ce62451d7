"""The code of docs/lints.md: what stands before is found, what stands after is not."""

import contextlib
import functools
import linecache
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit._jax.jaxprs import trace
from jaxkit.jaxpr.lints import KINDS, Code

PAGE = (Path(__file__).parents[3] / "docs" / "lints.md").read_text("utf-8")
BLOCKS = [
    (section.split("\n", 1)[0], words, code)
    for section in PAGE.split("\n## ")[1:]
    for words, code in re.findall(r"```python (\w+(?: x64)?)\n(.*?)```", section, re.DOTALL)
]
RUN = [block for block in BLOCKS if not block[1].startswith("rule")]


def run(kind: str, words: str, code: str) -> tuple[dict[str, Any], list[jaxkit.Report]]:
    reports: list[jaxkit.Report] = []

    def lint(fun: Any, **options: Any) -> Any:
        return lambda *args: reports.append(jaxkit.lint(fun, **options)(*args))

    def f32(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    def bf16(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, jnp.bfloat16)

    names = {"jax": jax, "jnp": jnp, "np": np, "lax": jax.lax, "functools": functools}
    names |= {"lint": lint, "f32": f32, "bf16": bf16}
    file = f"/lints/{kind}-{words}.py"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    wide = jax.enable_x64(True) if words.endswith("x64") else contextlib.nullcontext()
    with wide:
        exec(compile(code, file, "exec"), names)
    return names, reports


@pytest.mark.parametrize(("kind", "words", "code"), RUN, ids=lambda x: x[:30])
def test_before_and_after(kind: str, words: str, code: str) -> None:
    [report] = run(kind, words, code)[1]
    if words.startswith("before"):
        assert {each.kind for each in report.findings if each.severity != "info"} <= {kind}
        assert kind in {each.kind for each in report.findings}
        assert all(
            each.severity == KINDS[kind].severity for each in report.findings if each.kind == kind
        )
    else:
        assert [each for each in report.findings if each.kind == kind] == []
        assert report.ok


def test_every_kind_is_there() -> None:
    for kind, about in KINDS.items():
        assert [block[1].split()[0] for block in RUN if block[0] == kind] == ["before", "after"]
        severity = about.severity if about.default else f"{about.severity}, off"
        assert f"| `{kind}` | {severity} |" in PAGE


def test_the_rule() -> None:
    [(kind, words, code)] = [block for block in BLOCKS if block[1] == "rule"]
    names, _ = run(kind, words, code)
    half = jax.ShapeDtypeStruct((3,), jnp.float16)
    program = trace(lambda x: x * 2, (half,), {})
    [found] = names["no_float16"](Code(program))
    assert found.message == "mul gives float16"
