"""The pytest plugin, each time in a session of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxkit.report import Report

# jaxtyping's plugin imports JAX by itself.
WITHOUT = ["-p", "no:cacheprovider", "-p", "no:jaxtyping", "-p", "no:hypothesispytest"]

STEP = """
import jax, numpy as np, pytest

@jax.jit
def step(batch):
    return batch["x"].sum()

def run(*sizes):
    for n in sizes:
        step({"x": np.ones(n, np.float32)})
"""


def session(folder: Path, source: str, *options: str, **environment: str) -> str:
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    kept = {k: v for k, v in os.environ.items() if k not in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *WITHOUT, *options],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return f"{ran.stdout}{ran.stderr}exit code {ran.returncode}"


def test_nothing_is_imported_until_it_is_used(tmp_path: Path) -> None:
    source = """
import sys
def test_nothing():
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & {"jax", "jaxlib", "numpy", "equinox", "chex", "rich"}
    ours = {name for name in sys.modules if name.startswith("jaxkit")}
    assert ours == {"jaxkit", "jaxkit.pytest_plugin"}, ours
"""
    assert "1 passed" in session(tmp_path, source)


def test_a_report_of_the_session(tmp_path: Path) -> None:
    source = STEP + "def test_a():\n    run(3, 4)\ndef test_b():\n    run(3, 5)\n"
    out = session(tmp_path, source, "--jaxkit-report", "compiles.json")
    assert "2 passed" in out
    assert "; the report is in compiles.json" in out
    report = Report.from_json((tmp_path / "compiles.json").read_text())
    (step,) = [each for each in report.data["functions"] if each["name"] == "step"]
    assert step["compiles"] == 3
    assert [finding.kind for finding in report.findings] == ["shape-change"]


def test_a_report_is_checked_before_the_session(tmp_path: Path) -> None:
    out = session(tmp_path, "def test_a(): pass\n", "--jaxkit-report", "missing/compiles.html")
    assert "--jaxkit-report: cannot write a report to 'missing/compiles.html'" in out
    assert out.endswith("exit code 4")
    out = session(tmp_path, "def test_a(): pass\n", "--jaxkit-report", "compiles.doc")
    assert "--jaxkit-report: cannot write a report to 'compiles.doc'" in out


def test_a_session_without_jax_has_an_empty_report(tmp_path: Path) -> None:
    out = session(tmp_path, "def test_a(): pass\n", "--jaxkit-report", "compiles.json")
    assert "1 passed" in out
    assert json.loads((tmp_path / "compiles.json").read_text())["data"]["functions"] == []


def test_workers_have_reports_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    source = STEP + "def test_a():\n    run(3)\n"
    out = session(tmp_path, source, "--jaxkit-report", "compiles.json", "-n", "1")
    assert "1 passed" in out
    report = Report.from_json((tmp_path / "compiles.gw0.json").read_text())
    assert "step" in {each["name"] for each in report.data["functions"]}


def test_too_many_compilations_fail_the_test(tmp_path: Path) -> None:
    source = (
        STEP
        + """
@pytest.mark.max_compiles(1)
def test_many():
    run(3, 4, 5)

@pytest.mark.max_compiles(n=1)
def test_one():
    run(7, 7)

@pytest.mark.max_compiles(1)
def test_other_failures_win():
    run(8, 9)
    assert 1 == 2

@pytest.mark.max_compiles("many")
def test_wrong():
    pass
"""
    )
    out = session(tmp_path, source)
    assert "3 failed, 1 passed" in out
    assert (
        "step (test_it.py:4) was compiled 3 times, max_compiles(1) allows 1; "
        "compilation 2 at test_it.py:10: batch['x'] changed shape: "
    ) in out
    assert "assert 1 == 2" in out
    assert (
        "@pytest.mark.max_compiles takes one number, 0 or more, got max_compiles('many')"
    ) in out


def test_fixtures(tmp_path: Path) -> None:
    source = (
        STEP
        + """
def test_log(compile_log):
    run(3, 4)
    assert [event.kind for event in compile_log.recompiles] == ["shape-change"]

def test_devices(jax_devices):
    assert len(jax_devices()) == 2
    assert len(jax_devices(4)) == 4
    with pytest.raises(ValueError):
        jax_devices(0)
    with pytest.raises(RuntimeError) as caught:
        jax_devices(64)
    assert str(caught.value) == (
        "jax_devices(64): JAX was started with 4 CPU devices and cannot get more in this process; "
        "set JAX_NUM_CPU_DEVICES=64 in the environment, or in the conftest.py before its first "
        "import of jax"
    )
"""
    )
    assert "2 passed" in session(tmp_path, source)


def test_devices_that_were_asked_for_otherwise_stay(tmp_path: Path) -> None:
    source = "def test_devices(jax_devices):\n    import jax\n    jax_devices(3)\n"
    source += "    assert jax.device_count() == 6\n"
    flag = "--xla_force_host_platform_device_count=6"
    assert "1 passed" in session(tmp_path, source, XLA_FLAGS=flag)


def test_a_started_jax_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    source = "import jax\njax.devices()\n"
    source += "def test_devices(jax_devices):\n    jax_devices(3)\n"
    out = session(tmp_path, source)
    assert "jax_devices(3): JAX was started with 1 CPU device and cannot get more" in out
