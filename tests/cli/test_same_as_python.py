"""Under `jaxkit run` a program is what it is under `python`: output, errors, exit, to the byte.

Every fourth program by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.both import PROGRAMS, TIMEOUT, WAYS, assert_same, environment, python
from tests.part import part

CALLS = [
    "identity.py --help -m x --report y",
    "signals.py",
    "raises.py",
    "group.py",
    "recursion.py",
    *(f"exits.py {form}" for form in "nothing zero three 256 minus huge true text".split()),
    *(f"exits.py {form}" for form in "tuple subclass raised quit".split()),
    "hooks.py",
    "bad_hook.py",
    *(f"interrupted.py {name}" for name in "SIGINT SIGTERM SIGKILL SIGHUP SIGABRT".split()),
    "leaves.py 0",
    "leaves.py 5",
    "forks.py",
    "spawns.py",
    "threads.py 0",
    "threads.py 7",
    *(f"streams.py {way}" for way in "replaced both none closed closed-error detached".split()),
    *(f"streams.py {way}" for way in "descriptors close-all reuse unfinished megabytes".split()),
    "streams.py redirect /dev/null",
    "stacks.py",
    "moves.py",
    "breaks.py",
    "becomes.py",
    "clears.py",
    "shadow/main.py",
    "./package/../raises.py",
    "folder x",
    "package",
    "missing_folder/missing.py",
    "/dev/null",
    "reads.py",
    "- from standard input",
    "-m package a --b",
    "-m package.fails",
    "-m package.missing",
    "-m nothing_of_this_name",
    "-m interrupted SIGINT",
]


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def options(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    return tuple(option.format(folder=tmp_path) for option in request.param)


@pytest.mark.parametrize("call", part(CALLS, 4))
def test_a_program_behaves_as_under_python(call: str, tmp_path: Path) -> None:
    assert_same(*call.split(), folder=tmp_path, stdin=b"print('from standard input')\n")


BROKEN = {
    "syntax.py": b"print('never')\nif True print('x')\n",
    "indent.py": b"def f():\nreturn 1\n",
    "image.py": b"\x89PNG\r\n\x1a\n\x00\x00\xff",
    "null.py": b"print(1)\x00\n",
    "coding.py": b"# -*- coding: no-such-coding -*-\n",
    "latin.py": b"# -*- coding: latin-1 -*-\nprint('\xe9')\n",
    "warns.py": b"print('\\d', 1 is 1)\nassert (False, 'x')\n1 +\n",
    "bytes.pyc": b"not byte code",
    "archive.pyz": b"PK\x03\x04 not an archive",
    "empty.py": b"",
    "text": b"a shopping list\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_python_is_refused_as_by_python(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BROKEN[name])
    assert_same(name, folder=tmp_path, cwd=tmp_path)


def test_an_archive_runs_as_under_python(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        for name in ("__main__.py", "helper.py"):
            archive.write(PROGRAMS / "folder" / name, name)
    assert_same("app.pyz", "--x", folder=tmp_path, cwd=tmp_path)


def test_a_link_finds_the_modules_beside_its_target(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(PROGRAMS / "shadow" / "main.py")
    assert "own json" in assert_same("link.py", folder=tmp_path, cwd=tmp_path).stdout.decode()


@pytest.mark.parametrize("flags", ["-O", "-OO", "-W error", "-X utf8", "-P", "-u", "-s -B", "-bb"])
def test_options_of_python_reach_the_program(flags: str, tmp_path: Path) -> None:
    report = str(tmp_path / "out.json")
    run = ["-m", "jaxkit", "run", "--quiet", "--report", report]
    found = python(*flags.split(), *run, "identity.py", "x")
    assert found == python(*flags.split(), "identity.py", "x")


@pytest.mark.parametrize("flag", ["-I", "-E"])
def test_options_that_shut_us_out_are_refused(flag: str) -> None:
    found = python(flag, "-m", "jaxkit", "run", "identity.py")
    assert (found.code, found.stdout) == (2, b"")
    assert "-I, -E and -S of python turn off: leave them out" in found.stderr.decode()


def test_the_environments_own_sitecustomize_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.own = 'ran'\n")
    path = f"{tmp_path}{os.pathsep}/nowhere"
    found = assert_same("identity.py", folder=tmp_path, PYTHONPATH=path)
    assert f"{path} True ran" in found.stdout.decode()


@pytest.mark.parametrize("path", ["", ".", f"{os.pathsep}/a{os.pathsep}"])
def test_the_search_path_is_restored(path: str, tmp_path: Path) -> None:
    assert_same("identity.py", folder=tmp_path, PYTHONPATH=path)


SIGNALS = ["SIGINT", "SIGTERM", "SIGKILL", "SIGHUP", "SIGUSR1"]


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_from_outside_ends_it_as_under_python(name: str, options: tuple[str, ...]) -> None:
    assert _signalled(name, "jaxkit", "run", *options) == _signalled(name, "python")


def test_a_handler_of_the_program_gets_the_signal_once(options: tuple[str, ...]) -> None:
    found = _signalled("SIGINT", "jaxkit", "run", *options, program="handles.py")
    assert found == (3, b"ready\nhandled 1\n", b"")


def test_a_closed_pipe_is_met_as_under_python(options: tuple[str, ...]) -> None:
    outcomes = []
    for command in (["python"], ["jaxkit", "run", *options]):
        with _start(*command, "streams.py", "megabytes") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            said = process.stderr.read()
        # Which write meets the closed pipe, and whether the last flush fails too, which makes 120
        # of 1, are races in Python itself: what both must say is how it ended.
        said = said.partition(b"Exception ignored in: ")[0].splitlines()[-1]
        outcomes.append((said, {120: 1}.get(process.returncode, process.returncode)))
    assert outcomes[0] == outcomes[1]
    assert b"BrokenPipeError" in outcomes[0][0]


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_streams_that_were_never_open(closed: tuple[int, ...], options: tuple[str, ...]) -> None:
    shell = " ".join(f"{fd}>&-" for fd in closed)
    outcomes = []
    for command in (["python"], ["jaxkit", "run", *options]):
        words = [str(Path(sys.executable).with_name(command[0])), *command[1:], "exits.py", "text"]
        line = f'exec "$@" {shell}'
        done = subprocess.run(
            ["sh", "-c", line, "sh", *words],
            cwd=PROGRAMS,
            capture_output=True,
            timeout=TIMEOUT,
            env=environment(),
        )
        outcomes.append((done.returncode, done.stdout, done.stderr))
    assert outcomes[0] == outcomes[1]


def _signalled(name: str, *command: str, program: str = "waits.py") -> tuple[int, bytes, bytes]:
    process = _start(*command, program)
    assert process.stdout is not None
    ready = process.stdout.readline()
    time.sleep(0.2)  # from the print to where it waits
    process.send_signal(getattr(signal, name))
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    return process.returncode, ready + stdout, stderr


def _start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=PROGRAMS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


@pytest.fixture(scope="module", autouse=True)
def _interruptible() -> Iterator[None]:
    """A shell that starts pytest in the background has it ignore SIGINT, and its children too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
