"""A program under `python` and under `jaxkit run`, side by side."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT = 120


@dataclass(frozen=True)
class Outcome:
    """All that can be told of a process from outside."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def own(self) -> str:
        """What jaxkit said: everything from its first line on, which is after the program's."""
        text = self.stderr.decode()
        at = 0 if text.startswith("jaxkit: ") else text.find("\njaxkit: ") + 1
        return text[at:] if at or text.startswith("jaxkit: ") else ""


def environment(**changes: str) -> dict[str, str]:
    """That of a user, whatever the tests themselves run under; byte code is cached as usual."""
    ours = ("JAX", "XLA", "PYTHON", "PYTEST", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "JAX_PLATFORMS": "cpu", **changes}


def jaxkit(
    *arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", **changes: str
) -> Outcome:
    """Runs the command `jaxkit`."""
    command = [str(Path(sys.executable).with_name("jaxkit"))]
    return _run([*command, *map(str, arguments)], cwd, stdin, changes)


def python(
    *arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", **changes: str
) -> Outcome:
    """Runs `python`."""
    return _run([sys.executable, *map(str, arguments)], cwd, stdin, changes)


# Both ways to start a program, and something to watch it for although nothing is said.
WAYS = {
    "becomes it": ("--quiet", "--report", "{folder}/out.json"),
    "stays its parent": ("--quiet", "--max-compiles", "1"),
}


def assert_same(
    *program: str | Path, folder: Path, cwd: Path | None = None, stdin: bytes = b"", **changes: str
) -> Outcome:
    """Holds that `jaxkit run` shows what `python` shows, both ways, and returns that.

    Args:
        program: The script and its arguments.
        folder: Where a report may go.
        cwd: Where it runs.
        stdin: What it can read.
        changes: Of the environment.
    """
    expected = python(*program, cwd=cwd, stdin=stdin, **changes)
    for options in WAYS.values():
        given = [option.format(folder=folder) for option in options]
        found = jaxkit("run", *given, *program, cwd=cwd, stdin=stdin, **changes)
        assert found == expected, options
    return expected


def _run(command: list[str], cwd: Path | None, stdin: bytes, changes: dict[str, str]) -> Outcome:
    done = subprocess.run(
        command,
        cwd=cwd or PROGRAMS,
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT,
        env=environment(**changes),
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
