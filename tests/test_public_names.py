"""The public surface, spelled out: a name that comes or goes is a decision, not an accident."""

import ast
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points, metadata
from pathlib import Path

import pytest

import jaxkit
import jaxkit.errors
import jaxkit.report
import jaxkit.transforms

PUBLIC = [
    "Finding",
    "FindingsError",
    "JaxkitError",
    "MissingExtraError",
    "NonFiniteError",
    "PluginError",
    "RecompilationError",
    "Report",
    "ReportFormatError",
    "ReportPathError",
    "SourceLine",
    "UsageError",
    "__version__",
    "accumulate_gradients",
    "adaptive_clip",
    "as_optax",
    "benchmark",
    "bucket",
    "chain",
    "check_finite",
    "clip_by_global_norm",
    "clip_by_leaf_norm",
    "clip_by_value",
    "clip_gradients",
    "clip_per_example",
    "compare",
    "compare_x64",
    "emulate",
    "explain",
    "inspect",
    "lint",
    "max_compiles",
    "nan_origin",
    "search_precision",
    "shadow",
    "timer",
    "transform",
    "watch",
    "x64",
]

REPORT = [
    "Align",
    "Block",
    "Figures",
    "Finding",
    "FrozenMapping",
    "Graph",
    "HeatLine",
    "Node",
    "Report",
    "Section",
    "Severity",
    "SourceHeat",
    "SourceLine",
    "Style",
    "Table",
    "Text",
    "TimeSpan",
    "Timeline",
    "Tree",
    "check_writable",
    "escape",
    "find_suffix",
    "render",
    "suffixes",
    "validate",
    "write_atomically",
]

TRANSFORMS = [
    "Chain",
    "Entry",
    "TAGS",
    "Transform",
    "accumulate_gradients",
    "adaptive_clip",
    "as_optax",
    "available",
    "bucket",
    "chain",
    "clip_by_global_norm",
    "clip_by_leaf_norm",
    "clip_by_value",
    "clip_gradients",
    "clip_per_example",
    "get",
    "powers_of_two",
    "transform",
]


def test_the_names_are_these() -> None:
    assert sorted(jaxkit.__all__) == PUBLIC == sorted(["__version__", *jaxkit._WHERE])
    assert sorted(jaxkit.report.__all__) == REPORT
    assert sorted(jaxkit.transforms.__all__) == TRANSFORMS == sorted(jaxkit.transforms._WHERE)
    assert all(getattr(jaxkit.transforms, name).__doc__ for name in TRANSFORMS if name != "TAGS")
    assert set(PUBLIC) <= set(dir(jaxkit))


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_there(name: str) -> None:
    value = getattr(jaxkit, name)
    if name in jaxkit._WHERE:
        module, _, attribute = jaxkit._WHERE[name].partition(":")
        assert value is getattr(import_module(module), attribute)
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as caught:
        jaxkit.wach  # type: ignore[attr-defined] # noqa: B018
    assert str(caught.value) == "module 'jaxkit' has no attribute 'wach'"


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(jaxkit.__file__).read_text("utf-8"))
    seen = {
        alias.asname: f"{node.module}:{alias.name}"
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxkit.")
        for alias in node.names
    }
    assert seen == jaxkit._WHERE


def test_every_error_is_public_and_ours() -> None:
    errors = {getattr(jaxkit.errors, name) for name in jaxkit.errors.__all__}
    assert {getattr(jaxkit, name) for name in PUBLIC if name.endswith("Error")} == errors
    assert all(issubclass(error, jaxkit.JaxkitError) for error in errors)
    assert all(error.__name__ in (jaxkit.errors.__doc__ or "") for error in errors)


def test_the_distribution() -> None:
    about = metadata("jaxkit-debug")
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == ">=3.11"
    (command,) = entry_points(group="console_scripts", name="jaxkit")
    assert command.value == "jaxkit.cli:main"
    assert (Path(jaxkit.__file__).parent / "py.typed").exists()


def test_the_module_is_the_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "jaxkit", "--help"], capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "jaxkit" in ran.stdout
