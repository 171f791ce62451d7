"""`jaxkit doctor`: what it finds here, and what it would say elsewhere."""

from __future__ import annotations

import copy
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from jaxkit.cli import main
from jaxkit.cli.diagnosis import diagnose
from jaxkit.cli.doctor import examine
from jaxkit.cli.machine import collect, look_at_cache, probe
from tests.cli.both import jaxkit

WELL: dict[str, Any] = {
    "python": {"version": "3.13.0", "executable": "/usr/bin/python", "system": "Linux x86_64"},
    "packages": {"jax": "0.12.0.1", "jaxlib": "0.12.0.1"},
    "plugins": {},
    "environment": {},
    "machine": {"cpus": 8, "nvidia": [], "amd": False, "tpu": []},
    "probe": {
        "step": "done",
        "ended": "done",
        "code": 0,
        "said": "",
        "unknown_flags": [],
        "jax": "0.12.0.1",
        "jaxlib": "0.12.0.1",
        "options": {
            "jax_platforms": None,
            "jax_enable_x64": False,
            "jax_enable_compilation_cache": True,
            "jax_compilation_cache_max_size": -1,
        },
        "platforms": ["cpu", "tpu"],
        "default": "cpu",
        "backends": {"cpu": {"devices": 1, "kinds": ["cpu"], "processes": 1}},
        "backend_errors": {"tpu": "no libtpu.so"},
    },
    "cache": {"directory": "/c", "exists": True, "writable": True, "files": 1, "bytes": 9},
    "shadows": [],
}
GPU = [{"name": "NVIDIA H100", "driver": "570.86.10"}]
TIMED_OUT = {"ended": "timeout", "code": None, "step": "devices", "backends": {}}
ABORTED = {"ended": "died", "code": -6, "step": "compute", "said": "a\nptxas not found\n"}


def facts(**changes: Any) -> dict[str, Any]:
    """Those of a machine that is well, but for changes such as `probe__ended="died"`."""
    found = copy.deepcopy(WELL)
    for path, value in changes.items():
        *parents, last = path.split("__")
        at = found
        for parent in parents:
            at = at[parent]
        if isinstance(value, dict) and isinstance(at.get(last), dict) and value:
            at[last] = {**at[last], **value}
        else:
            at[last] = value
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"packages": {}}, ["jax-not-installed"]),
        ({"packages__jaxlib": "0.12.1"}, ["jaxlib-mismatch"]),
        ({"packages__jaxlib": "0.11.2"}, []),
        ({"packages": {"jax": "0.9.1", "jaxlib": "0.9.1"}}, ["jax-too-old"]),
        ({"packages__jax-cuda13-plugin": "0.11.0"}, ["plugin-version-mismatch"]),
        ({"packages__jax-cuda13-plugin": "0.12.0.post1"}, []),
        ({"shadows": ["jax.py"]}, ["shadowed-module"]),
        ({"probe": TIMED_OUT}, ["jax-hangs"]),
        ({"probe": ABORTED}, ["jax-dies"]),
        ({"probe": {"step": "import", "error": "ImportError: x"}}, ["import-failed"]),
        ({"probe": {"step": "compute", "error": "XlaRuntimeError: x"}}, ["compute-failed"]),
        ({"probe": {"step": "devices", "error": "RuntimeError: x"}}, ["no-devices"]),
        ({"probe__unknown_flags": ["--xla_a", "--xla_b"]}, ["unknown-xla-flag"] * 2),
        (
            {
                "probe": {"step": "devices", "error": "AssertionError: "},
                "probe__options__jax_platforms": "cuda,cpu",
            },
            ["unknown-platform"],
        ),
        ({"probe__options__jax_platforms": "cpu"}, []),
        ({"probe__options__jax_platforms": "tpu,cpu"}, ["backend-failed"]),
        ({"machine__tpu": ["/dev/accel0"]}, ["backend-failed"]),
        ({"machine__nvidia": GPU}, ["device-without-plugin"]),
        ({"machine__amd": True}, ["device-without-plugin"]),
        (
            {"machine__nvidia": GPU, "probe__backends": {"cuda": {"devices": 1, "kinds": ["H"]}}},
            [],
        ),
        ({"machine__nvidia": GPU, "probe__backend_errors": {"cuda": "x"}}, ["backend-failed"]),
        (
            {"machine__nvidia": GPU, "probe__options__jax_platforms": "cpu"},
            ["device-excluded"],
        ),
        (
            {"machine__nvidia": GPU, "environment": {"CUDA_VISIBLE_DEVICES": ""}},
            ["device-excluded"],
        ),
        ({"probe__options__jax_disable_jit": True}, ["slow-option"]),
        ({"cache": None}, ["no-compilation-cache"]),
        ({"cache__writable": False}, ["cache-not-writable"]),
        ({"cache__directory": "~/x"}, ["cache-below-tilde"]),
        ({"cache": {"directory": "gs://a/b"}}, []),
        ({"cache__bytes": 30 * 2**30}, ["cache-unbounded"]),
        ({"probe__options__jax_enable_compilation_cache": False}, ["cache-disabled"]),
    ],
)
def test_each_thing_that_is_off_is_one_finding(
    changes: dict[str, Any], expected: list[str]
) -> None:
    given = facts(**changes)
    assert [finding.kind for finding in diagnose(given)] == expected
    text = str(examine(given))
    assert text.startswith("jaxkit: ")
    assert all(f" {kind}\n" in text for kind in expected)


def test_the_fix_fits_the_driver() -> None:
    for driver, extra in (("570.86.10", "cuda12"), ("580.1", "cuda13"), ("", "cuda13")):
        (found,) = diagnose(facts(machine__nvidia=[{"name": "GPU", "driver": driver}]))
        assert found.fix == f'python -m pip install -U "jax[{extra}]"'


def test_near_misses_of_platforms_are_suggested() -> None:
    (found,) = diagnose(facts(probe__options__jax_platforms="cud"))
    assert found.message == "JAX_PLATFORMS asks for 'cud', which nothing that is installed provides"
    assert found.fix == "did you mean cuda?"


def test_hardware_is_found_by_its_device_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxkit.cli.machine.probe", lambda *, timeout: {})
    monkeypatch.setattr("jaxkit.cli.machine.shutil.which", lambda name: None)
    for name in ("nvidia0", "nvidiactl", "accel0", "kfd"):
        (tmp_path / name).touch()
    machine = collect(devices=str(tmp_path))["machine"]
    assert machine["nvidia"] == [{"name": str(tmp_path / "nvidia0"), "driver": ""}]
    assert (machine["tpu"], machine["amd"]) == ([str(tmp_path / "accel0")], True)

    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100, 80GB, 570.86.10'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("jaxkit.cli.machine.shutil.which", lambda name: str(program))
    machine = collect(devices=str(tmp_path))["machine"]
    assert machine["nvidia"] == [{"name": "NVIDIA H100, 80GB", "driver": "570.86.10"}]


def test_the_cache_is_measured(tmp_path: Path) -> None:
    (tmp_path / "a-cache").write_bytes(b"12345")
    found = look_at_cache(str(tmp_path))
    assert found == {
        "directory": str(tmp_path),
        "exists": True,
        "writable": True,
        "files": 1,
        "bytes": 5,
    }
    missing = look_at_cache(str(tmp_path / "a" / "b"))
    assert missing is not None
    assert (missing["exists"], missing["writable"]) == (False, True)
    inside = look_at_cache(str(tmp_path / "a-cache" / "b"))
    assert inside is not None
    assert not inside["writable"]
    assert look_at_cache("gs://bucket/x") == {"directory": "gs://bucket/x"}
    assert look_at_cache("") is None


def test_a_jax_that_hangs_does_not_hang_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jax.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = probe(timeout=3.0)
    assert (found["ended"], found["step"], found["code"]) == ("timeout", "import", None)


def test_here_with_a_flag_that_xla_does_not_know(tmp_path: Path) -> None:
    report = tmp_path / "doctor.json"
    flags = "--xla_no_such_flag=1 --xla_force_host_platform_device_count=2"
    found = jaxkit("doctor", "--report", report, XLA_FLAGS=flags, JAX_DEBUG_NANS="1")
    assert (found.code, found.stderr) == (0, b"")
    assert found.stdout.startswith(b"jaxkit: 2 things are off in this installation of JAX\n")
    assert b"devices: cpu: 2 x cpu (default)" in found.stdout
    document = json.loads(report.read_text("utf-8"))
    assert document["tool"] == "doctor"
    assert [finding["kind"] for finding in document["findings"]] == [
        "unknown-xla-flag",
        "slow-option",
        "no-compilation-cache",
    ]
    assert document["data"]["probe"]["backends"]["cpu"]["devices"] == 2


def test_here_with_a_platform_that_is_not_installed() -> None:
    found = jaxkit("doctor", JAX_PLATFORMS="cuda")
    assert found.code == 0
    assert b"error unknown-platform" in found.stdout


def test_a_report_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--report", os.fspath(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("jaxkit: cannot write a report to ")
