"""The import rules of the design, held by reading every file."""

import ast
from pathlib import Path

import pytest

import jaxkit
from tests.import_checker import RANKS, imports, violations

ROOT = Path(jaxkit.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    found = violations(
        path.read_text("utf-8"),
        module_name(path),
        is_package=path.name == "__init__.py",
        public=jaxkit._WHERE,
    )
    assert found == []


def test_every_package_has_its_rank() -> None:
    parts = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in FILES}
    assert parts <= set(RANKS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    source = path.read_text("utf-8")
    assert len(source.splitlines()) <= 400
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            assert (node.end_lineno or 0) - first.lineno < 50, node.name


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("report.save", "import jaxkit.compiles.watch", "compiles is not below report"),
        ("report.save", "from jaxkit import watch", "compiles is not below report"),
        ("report.save", "from ..compiles import watch", "compiles is not below report"),
        ("report.save", "def f():\n  from jaxkit.cli import main", "cli is not below report"),
        ("report.save", "import_module('jaxkit.cli')", "cli is not below report"),
        ("numerics.x64", "from jaxkit.timing import timer", "timing is not below numerics"),
        ("numerics.x64", "import jaxkit", "say which part of jaxkit it is"),
        ("numerics.x64", "from jaxkit import *", "say which part of jaxkit it is"),
        ("cli.run", "import jaxkit.extra", "the design knows no 'extra'"),
        ("cli.run", "import jax._src.core", "only jaxkit/_jax may"),
        ("cli.run", "from jax import extend", "only jaxkit/_jax may"),
        ("cli.run", "from jax.interpreters import ad", "only jaxkit/_jax may"),
        ("cli.run", "x = jax.interpreters.ad", "only jaxkit/_jax may"),
        ("cli.run", "x = jax._src.core.Jaxpr", "only jaxkit/_jax may"),
        ("cli.run", "import jaxlib.xla_client", "only jaxkit/_jax may"),
        ("cli.run", "sys._getframe(1)", "only jaxkit/_jax may"),
        ("cli.run", "from sys import _getframe", "only jaxkit/_jax may"),
        ("report.save", "import jax", "report.save must work where JAX is not installed"),
        (
            "compiles.event",
            "def f():\n  from equinox import Module",
            "compiles.event must work where JAX is not installed",
        ),
        (
            "compiles.cause",
            "from jaxkit.compiles.watch import Watch",
            "compiles.cause must work where JAX is not installed, and that is not promised there",
        ),
    ],
)
def test_the_checker_flags(module: str, source: str, reason: str) -> None:
    found = violations(source, f"jaxkit.{module}", public={"watch": "jaxkit.compiles.watch:watch"})
    assert any(sentence.endswith(f": {reason}") for sentence in found), found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("report.save", "from jaxkit.errors import JaxkitError"),
        ("report.save", "from jaxkit.report.report import Report"),
        ("report.save", "from . import report"),
        ("report.versions", "from jaxkit import __version__"),
        ("report.save", "if TYPE_CHECKING:\n  import jax, jaxkit.cli"),
        ("report.save", "if typing.TYPE_CHECKING:\n  import jax"),
        ("report.save", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n  import jaxkit.cli"),
        ("_jax.stack", "import sys\nimport jax._src.core\nsys._getframe()"),
        ("compiles.watch", "import jax\nfrom jaxkit._jax import stack"),
        ("cli.run", "from jaxkit import watch"),
        ("__main__", "from jaxkit.cli import main"),
    ],
)
def test_the_checker_passes(module: str, source: str) -> None:
    assert violations(source, f"jaxkit.{module}", public={"watch": "jaxkit.compiles.watch:w"}) == []


def test_relative_imports_are_resolved() -> None:
    source = "from . import a\nfrom .b import c\nfrom .. import d\nfrom ..e import f"
    assert [each.target for each in imports(source, "jaxkit.report.save")] == [
        "jaxkit.report.a",
        "jaxkit.report.b.c",
        "jaxkit.d",
        "jaxkit.e.f",
    ]
    package = imports("from .b import c", "jaxkit.report", is_package=True)
    assert [each.target for each in package] == ["jaxkit.report.b.c"]
