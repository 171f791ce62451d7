"""What `jaxkit doctor` looks at: facts, each of which may be missing, and no opinion on them.

Nothing here imports JAX. What only JAX can tell is asked of a process of its own, since looking for
devices may hang or abort.
"""

from __future__ import annotations

import glob
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata, util
from typing import Any

__all__ = ["collect", "look_at_cache", "probe"]

# Environment variables that decide what JAX finds and does.
_TELLING = ("JAX_", "XLA_", "LIBTPU_", "TPU_", "CUDA_VISIBLE_DEVICES", "TF_CPP_MIN_LOG_LEVEL")
_PACKAGES = re.compile(r"(jax|jaxlib|libtpu|jax[-_](cuda|rocm|tpu|metal).*|jax_?plugins.*)", re.I)
_UNKNOWN_FLAG = re.compile(r"Unknown flags? in XLA_FLAGS:([^\n]*)")


def collect(*, timeout: float = 60.0, devices: str = "/dev") -> dict[str, Any]:
    """Gathers all facts.

    Args:
        timeout: Seconds that JAX gets to find its devices.
        devices: The folder of device files.

    Returns:
        `python`, `packages`, `plugins`, `environment`, `machine`, `probe`, `cache`, as JSON values.
    """
    probed = probe(timeout=timeout)
    directory = (probed.get("options") or {}).get("jax_compilation_cache_dir")
    return {
        "python": {
            "version": platform.python_version(),
            "executable": sys.executable,
            "system": f"{platform.system()} {platform.machine()}",
        },
        "packages": _packages(),
        "plugins": _plugins(),
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_TELLING)
        },
        "machine": _machine(devices),
        "probe": probed,
        "cache": look_at_cache(directory),
        "shadows": [name for name in ("jax.py", "jaxlib.py") if os.path.exists(name)],
    }


def probe(*, timeout: float) -> dict[str, Any]:
    """Has JAX look for its devices in a process of its own.

    Args:
        timeout: Seconds it gets.

    Returns:
        What `jaxkit._jax.backends` found, with `ended`: `done`, `timeout` or `died`; `said`, the
        end of its standard error; `code`; and `unknown_flags`, those of XLA_FLAGS for which it
        aborted: then the rest is what it finds without them.
    """
    found = _probe(dict(os.environ), timeout)
    unknown = [flag for line in _UNKNOWN_FLAG.findall(found["said"]) for flag in line.split()]
    if not unknown:
        return found
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if flag not in unknown]
    again = _probe({**os.environ, "XLA_FLAGS": " ".join(flags)}, timeout)
    return {**again, "unknown_flags": unknown}


def _probe(environment: dict[str, str], timeout: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "found.json")
        command = [sys.executable, "-m", "jaxkit._jax.backends", path]
        # To a file: a process that JAX has started may keep a pipe open for ever.
        with open(os.path.join(folder, "said"), "w+b") as said:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=environment,
            )
            try:
                code: int | None = process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = None
            said.seek(0)
            text = said.read()[-4000:].decode(errors="replace")
        found: dict[str, Any] = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
    ended = "timeout" if code is None else "died" if code else "done"
    return {**found, "ended": ended, "code": code, "said": text, "unknown_flags": []}


def look_at_cache(directory: str | None) -> dict[str, Any] | None:
    """What there is in the folder of compiled programs.

    Args:
        directory: The folder's name; a bucket's address is only repeated.

    Returns:
        None if no folder is set; else `directory`, and for a local one `exists`, `writable`,
        `files` and `bytes`.
    """
    if not directory:
        return None
    if "://" in directory:
        return {"directory": directory}
    sizes: list[int] = []
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                sizes.append(os.path.getsize(os.path.join(folder, name)))
            except OSError:  # another process has just removed it
                continue
    exists = os.path.isdir(directory)
    nearest = os.path.abspath(directory)
    while not os.path.exists(nearest) and os.path.dirname(nearest) != nearest:
        nearest = os.path.dirname(nearest)
    return {
        "directory": directory,
        "exists": exists,
        "writable": os.path.isdir(nearest) and os.access(nearest, os.W_OK | os.X_OK),
        "files": len(sizes),
        "bytes": sum(sizes),
    }


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"] or ""
        if _PACKAGES.fullmatch(name):
            # The first of two is the one that Python imports.
            found.setdefault(name.lower().replace("_", "-"), distribution.version)
    return dict(sorted(found.items()))


def _plugins() -> dict[str, str]:
    """Plugins that JAX would load, and where each comes from."""
    found = {entry.name: entry.value for entry in metadata.entry_points(group="jax_plugins")}
    spec = util.find_spec("jax_plugins")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if not name.startswith(("_", ".")):
                found.setdefault(name.partition(".")[0], f"jax_plugins.{name.partition('.')[0]}")
    return found


def _machine(devices: str) -> dict[str, Any]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpus": usable,
        "nvidia": _nvidia(devices),
        "amd": os.path.exists(os.path.join(devices, "kfd")),
        "tpu": sorted(glob.glob(os.path.join(glob.escape(devices), "accel[0-9]*"))),
    }


def _nvidia(devices: str) -> list[dict[str, str]]:
    """The GPUs of this machine; without nvidia-smi no more than that there are some."""
    files = sorted(glob.glob(os.path.join(glob.escape(devices), "nvidia[0-9]*")))
    program = shutil.which("nvidia-smi")
    if program is not None:
        query = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
        try:
            done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        except (OSError, subprocess.SubprocessError):
            done = None
        lines = done.stdout.splitlines() if done is not None else []
        found = [line.rpartition(", ") for line in lines if line.strip()]
        if found:
            return [{"name": name, "driver": driver} for name, _, driver in found]
    return [{"name": file, "driver": ""} for file in files]
