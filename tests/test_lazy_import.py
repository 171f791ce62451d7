"""What must stay cheap to import, and what must work without JAX, each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Stands before everything else in the search for modules, and finds none of JAX's.
BLOCK_JAX = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"jax", "jaxlib", "equinox", "chex", "flax", "optax"}:
            raise ImportError(f"blocked: {name}")
sys.meta_path.insert(0, Block())
"""


def run(code: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def imported(code: str) -> set[str]:
    """Which packages a program has loaded in the end, those of Python's start-up not counted."""
    before = "import sys; before = set(sys.modules)\n"
    after = "\nimport json; print(json.dumps(sorted(set(sys.modules) - before)))"
    return set(json.loads(run(before + code + after)))


def test_importing_jaxkit_imports_next_to_nothing() -> None:
    ours = imported("import jaxkit; jaxkit.__version__; dir(jaxkit)")
    assert {name for name in ours if name.startswith("jaxkit")} == {"jaxkit"}
    assert not {"jax", "numpy", "rich", "typing", "dataclasses"} & ours


@pytest.mark.parametrize(
    "module",
    [
        "jaxkit.errors",
        "jaxkit.report",
        "jaxkit.report.render_text",
        "jaxkit.report.render_json",
        "jaxkit.compiles.event",
        "jaxkit.compiles.cause",
        "jaxkit.compiles.summary",
        "jaxkit.compiles.recording",
        "jaxkit.compiles.import_hook",
        "jaxkit.cli",
    ],
)
def test_no_jax_is_imported(module: str) -> None:
    loaded = {name.partition(".")[0] for name in imported(f"import {module}")}
    assert not {"jax", "jaxlib", "numpy", "equinox", "chex", "flax"} & loaded


def test_rich_is_imported_where_something_is_drawn() -> None:
    program = "from jaxkit.report import Report; r = Report('c'); r.to_json(); r.ok"
    assert "rich" not in imported(program)
    assert "rich.text" in imported(program + "; str(r)")


def test_public_names_are_loaded_on_use() -> None:
    assert "jaxkit.report.report" in imported("import jaxkit; jaxkit.Report")
    assert "jax" not in imported("from jaxkit import Report, Finding, JaxkitError")


def test_a_report_is_read_back_where_jax_is_not_installed() -> None:
    out = run(
        BLOCK_JAX
        + """
from jaxkit.report import Finding, Report
report = Report("compiles", [Finding("shape-change", "warning", "x changed shape")])
print(Report.from_json(report.to_json()))
"""
    )
    assert "warning shape-change" in out


def test_a_recording_is_read_back_where_jax_is_not_installed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import jax, jax.numpy as jnp, jaxkit, sys\n"
        "with jaxkit.watch(jsonl=sys.argv[1]) as log:\n"
        "    step = jax.jit(lambda x: x * 2)\n"
        "    step(jnp.ones(3)); step(jnp.ones(4))\n"
    )
    spool = tmp_path / "run.jsonl"
    subprocess.run([sys.executable, program, spool], check=True, timeout=120)
    out = run(
        BLOCK_JAX
        + f"""
from jaxkit.cli import main
import sys
sys.argv = ["jaxkit", "report", {str(spool)!r}]
try:
    status = main()
except SystemExit as end:
    status = end.code
assert not status, status
assert "jax" not in sys.modules
"""
    )
    assert "changed shape" in out
