"""Whose line an equation has that stands in a helper which somebody else has called before.

Every third program of the corpus by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.jaxpr import walk
from tests.jaxpr.corpus import EXAMPLES
from tests.part import part
from tests.strangers import at_equation_of, files_of, leave_lines, lines_of, module

X = np.array([[2.0, 0.5, 0.1], [0.3, 3.0, 0.2], [0.1, 0.4, 4.0]], np.float32)

FUNCTION = """
def f(x):
    y = jnp.sin(x) + x
    return {helper}
"""
BEFORE, LINE = 5, 6  # of `y` and of the helper in the second file

HELPERS = {
    "slogdet": "jnp.linalg.slogdet(y)[1]",
    "det": "jnp.linalg.det(y)",
    "where": "jnp.where(y > 0, y, 0.0)",
    "softmax": "jax.nn.softmax(y)",
    "logsumexp": "jax.nn.logsumexp(y)",
    "gelu": "jax.nn.gelu(y)",
    "norm": "jnp.linalg.norm(y)",
    "median": "jnp.median(y)",
    "var": "jnp.var(y)",
    "sort": "jnp.sort(y, axis=0)[::2]",
    "solve": "jnp.linalg.solve(y, y[0])",
    "cholesky": "jnp.linalg.cholesky(y @ y.T)",
    "cumulative": "jnp.cumsum(y)",
    "interp": "jnp.interp(y, y[0], y[1])",
    "optax": "optax.huber_loss(y)",
    "equinox": "eqx.nn.LayerNorm(3)(y[0])",
}


def two(folder: Path, helper: str, **names: Any) -> tuple[ModuleType, ModuleType]:
    text = FUNCTION.format(helper=helper)
    first = module(folder / "first.py", text, **names)
    return first, module(folder / "second.py", f"\n{text}", **names)


def own_lines(fun: Any, file: str) -> set[int]:
    jaxpr = jax.make_jaxpr(fun)(X)
    found = list(lines_of(jaxpr))
    assert {each for _, each, _ in found} == {file}, found
    return {line for _, _, line in found}


@pytest.mark.parametrize("name", HELPERS)
def test_a_helper_has_the_line_of_its_call(name: str, tmp_path: Path) -> None:
    first, second = two(tmp_path, HELPERS[name])
    leave_lines(first, X)
    file = str(second.__file__)
    assert own_lines(second.f, file) <= {BEFORE, LINE}
    gradient = jax.grad(lambda x: second.f(x).sum())
    lines = {each for each in lines_of(jax.make_jaxpr(gradient)(X)) if each[1] != __file__}
    assert {(each, line) for _, each, line in lines} <= {(file, BEFORE), (file, LINE)}
    mapped = list(lines_of(jax.make_jaxpr(jax.vmap(second.f))(X[None])))
    assert {each for _, each, _ in mapped} == {file}, mapped


def test_lines_were_left_behind(tmp_path: Path) -> None:
    """Without which the tests here would show nothing."""
    first, second = two(tmp_path, HELPERS["slogdet"])
    leave_lines(first, X)
    assert str(first.__file__) in files_of(jax.make_jaxpr(second.f)(X))


@pytest.mark.parametrize("name", ["slogdet", "median", "softmax"])
def test_so_do_those_that_jax_itself_leaves(name: str, tmp_path: Path) -> None:
    first, second = two(tmp_path, HELPERS[name])
    jax.clear_caches()
    jax.jit(jax.grad(lambda x: first.f(x).sum()))(X)
    jaxkit.nan_origin(first.f)(X)
    jaxkit.shadow(first.f)(X)
    assert own_lines(second.f, str(second.__file__)) <= {BEFORE, LINE}


@pytest.mark.parametrize("name", part(sorted(EXAMPLES.keys() - {"static_arguments"}), 3))
def test_no_program_has_a_strangers_line(name: str, tmp_path: Path) -> None:
    stranger = module(tmp_path / "first.py", "")
    example = EXAMPLES[name]
    fun, args = example.make()
    for variant in [fun, *([jax.grad(lambda *a: total(fun(*a)))] if example.grad else [])]:
        jax.clear_caches()
        with at_equation_of(stranger):
            jax.make_jaxpr(variant)(*args)
        jaxpr = jax.make_jaxpr(lambda *a, of=variant: of(*a))(*args)
        assert stranger.__file__ not in {file for _, file, _ in lines_of(jaxpr)}


def total(tree: Any) -> Any:
    """The sum of all in a tree that has a gradient."""
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return sum(
        jnp.sum(leaf).real.astype(np.float32)
        for leaf in leaves
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    )


def test_every_part_of_an_inspection_has_the_lines_of_the_call(tmp_path: Path) -> None:
    first, second = two(tmp_path, HELPERS["slogdet"])
    leave_lines(first, X)
    found = jaxkit.inspect(second.f)(X)
    file = str(second.__file__)
    assert {line.file for line in found.by_line if line} == {file}
    assert {line.line for line in found.by_line if line} == {BEFORE, LINE}
    assert {each.where.file for each in found.peak.arrays if each.where} <= {file}
    page = "\n".join(str(block) for block in found.blocks)
    assert "second.py" in page
    assert "first.py" not in page
    other = jaxkit.inspect(lambda x: second.f(x) * 2)(X)
    assert "first.py" not in str(found.diff(other))


def test_a_lint_names_the_line_of_the_call(tmp_path: Path) -> None:
    helper = "jax.random.normal(KEY) + jax.random.normal(KEY) * y.sum()"
    first, second = two(tmp_path, helper, KEY=jax.random.key(0))
    leave_lines(first, X)
    [finding] = [each for each in jaxkit.lint(second.f)(X).findings if each.kind == "key-reuse"]
    assert finding.where is not None
    assert (finding.where.file, finding.where.line) == (second.__file__, LINE)
    assert "first.py" not in str(finding)


# The user's own functions.

OWN = """
@jax.jit
def own(x):
    y = jnp.cos(x)
    return y * 2 + jnp.where(y > 0, y, 0.0)
"""


def test_a_jitted_function_of_the_user_has_its_own_lines(tmp_path: Path) -> None:
    own = module(tmp_path / "own.py", OWN)
    first, second = two(tmp_path, "own(y)", own=own.own)
    jax.clear_caches()
    jax.jit(jax.grad(lambda x: first.f(x).sum()))(X)
    found = {(name, Path(file).name, line) for name, file, line in lines_of_second(second)}
    assert ("cos", "own.py", 5) in found
    assert ("mul", "own.py", 6) in found
    assert ("select_n", "own.py", 6) in found
    assert ("jit", "second.py", LINE) in found
    assert {file for _, file, _ in found} == {"own.py", "second.py"}


def test_one_that_was_traced_while_jax_was_elsewhere_has_the_line_of_its_call(
    tmp_path: Path,
) -> None:
    own = module(tmp_path / "own.py", OWN)
    first, second = two(tmp_path, "own(y)", own=own.own)
    leave_lines(first, X)
    assert own_lines(second.f, str(second.__file__)) == {BEFORE, LINE}


def lines_of_second(second: ModuleType) -> list[tuple[str, str, int]]:
    return list(lines_of(jax.make_jaxpr(second.f)(X)))


DECORATED = """
import functools

def doubled(fun):
    @functools.wraps(fun)
    def wrapper(x):
        return fun(x) * 2
    return wrapper

@jax.jit
@doubled
def own(x):
    return jnp.cos(x)

@functools.partial(jax.jit, static_argnums=0)
def called_back(fun, x):
    return fun(x)
"""


def test_what_a_decorator_does_has_its_line(tmp_path: Path) -> None:
    own = module(tmp_path / "own.py", DECORATED)
    _, second = two(tmp_path, "own(y)", own=own.own)
    jax.clear_caches()
    found = {(name, Path(file).name, line) for name, file, line in lines_of_second(second)}
    assert {("mul", "own.py", 8), ("cos", "own.py", 14)} <= found


@pytest.mark.parametrize("place", ["site-packages/library/helpers.py", "helpers.py"])
def test_what_a_helper_calls_back_has_the_line_of_the_user(place: str, tmp_path: Path) -> None:
    helpers = module(tmp_path / place, DECORATED)
    helper = "called_back(\n        lambda z: jnp.cos(z),\n        y)"
    first, second = two(tmp_path, helper, called_back=helpers.called_back)
    leave_lines(first, X)
    found = {(name, Path(file).name, line) for name, file, line in lines_of_second(second)}
    assert ("cos", "second.py", LINE + 1) in found


@pytest.mark.parametrize(
    "helper",
    [
        "jax.lax.fori_loop(0, 3, lambda _, z: (\n        jnp.cos(z)), y)",
        "jax.lax.scan(lambda c, z: (c, (\n        jnp.cos(z))), 0.0, y)[1]",
        "jax.lax.cond(y.sum() > 0, lambda z: (\n        jnp.cos(z)), jnp.sin, y)",
        "jax.lax.map(lambda z: (\n        jnp.cos(z)), y)",
        "jax.vmap(lambda z: (\n        jnp.cos(z)))(y)",
        "jax.checkpoint(lambda z: (\n        jnp.cos(z)))(y)",
        "jax.jit(jax.grad(lambda z: (\n        jnp.cos(z)).sum()))(y)",
        "jnp.vectorize(lambda z: (\n        jnp.cos(z)))(y)",
        "eqx.filter_jit(lambda z: (\n        jnp.cos(z)))(y)",
        "eqx.filter_jit(eqx.filter_vmap(lambda z: (\n        jnp.cos(z))))(y)",
    ],
)
def test_the_users_functions_in_those_of_libraries_have_their_lines(
    helper: str, tmp_path: Path
) -> None:
    first, second = two(tmp_path, helper)
    leave_lines(first, X)
    found = list(lines_of(jax.make_jaxpr(second.f)(X)))
    lines = {line for name, _, line in found if name in ("cos", "sin") and line != BEFORE}
    assert LINE + 1 in lines, found
    gradient = jax.make_jaxpr(jax.grad(lambda x: second.f(x).sum()))(X)
    found = [each for each in lines_of(gradient) if each[1] != __file__]
    assert {file for _, file, _ in found} == {second.__file__}, found
    assert {("cos", LINE + 1), ("sin", LINE + 1)} & {(name, line) for name, _, line in found}


def test_a_linear_function_from_before_has_the_lines_of_what_it_is_of(tmp_path: Path) -> None:
    own = module(tmp_path / "own.py", "def g(x):\n    y = x * x\n    return y * 3.0\n")
    _, linear = jax.linearize(own.g, X)
    _, second = two(tmp_path, "linear(y)", linear=jax.jit(lambda x: linear(x)))
    found = {
        (Path(file).name, line) for name, file, line in lines_of_second(second) if name == "mul"
    }
    assert found == {("own.py", 3), ("own.py", 4)}


def test_a_helper_that_is_inspected_itself_has_nobodys_line(tmp_path: Path) -> None:
    first, _ = two(tmp_path, HELPERS["slogdet"])
    leave_lines(first, X)
    assert {site.where for site in walk(jax.jit(jnp.linalg.slogdet).trace(X).jaxpr)} == {None}
