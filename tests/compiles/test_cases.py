"""Programs with a known answer: does `jaxkit run` name the function, the cause and the path?

`samples/` are the cases of the project's issue: each runs as a user would run it, in a process of
its own. `cases/` are ours, many more: they run in forks of one process that has imported JAX
(`case_worker.py`), or, with JAXKIT_FRESH_CASES=1, as the samples do. By default a third of the
samples and an eighth of ours, with one of each category at least; JAXKIT_ALL=1 in the environment
takes all.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .measure_case import plain_environment, run_cases

HERE = Path(__file__).parent
FRESH = os.environ.get("JAXKIT_FRESH_CASES") == "1"
ALL = os.environ.get("JAXKIT_ALL") == "1"


@dataclass(frozen=True)
class Program:
    """A script, and what is expected of it: its case's entry, or that of the case it repairs."""

    path: Path
    expected: dict[str, Any]
    is_fixed: bool

    @property
    def wasteful(self) -> bool:
        return self.expected["category"] != "none" and not self.is_fixed

    @property
    def compiles(self) -> dict[str, int]:
        """Compilations a function name, where they are known."""
        if self.is_fixed:
            return self.expected["fixed_backend_compiles"]
        counts: dict[str, int] = {}
        for function in self.expected["functions"]:
            name = function["name"]
            counts[name] = counts.get(name, 0) + function["backend_compiles"]
        return counts

    @property
    def missing(self) -> list[str]:
        return [name for name in self.expected["needs"] if importlib.util.find_spec(name) is None]


@dataclass(frozen=True)
class Run:
    """What came of a program: its exit code, output, report, and JAX's own counts if known."""

    exit: int | None
    log: str
    report: dict[str, Any] | None
    counts: dict[str, int] | None = None


def programs_in(folder: Path) -> list[Program]:
    """Every case of a folder and every repaired twin."""
    cases = json.loads((folder / "expected.json").read_text())["cases"]
    found = []
    for name, expected in cases.items():
        found.append(Program(folder / name, expected, is_fixed=False))
        if "fixed_script" in expected:
            found.append(Program(folder / expected["fixed_script"], expected, is_fixed=True))
    return found


def some_of(programs: list[Program], every: int, besides: Container[Path] = ()) -> list[Program]:
    """One of so many cases with its twin, and those that are named."""
    cases = [program.path for program in programs if not program.is_fixed]
    chosen = {path.name for path in cases if path in besides or path in cases[::every]}
    return [program for program in programs if program.path.name in chosen]


def firsts_of(programs: list[Program]) -> set[Path]:
    """The first case of each category."""
    firsts: dict[str, Path] = {}
    for program in programs:
        firsts.setdefault(program.expected["category"], program.path)
    return set(firsts.values())


SAMPLES = programs_in(HERE / "samples")
CASES = programs_in(HERE / "cases")
if not ALL:
    SAMPLES, CASES = some_of(SAMPLES, 3), some_of(CASES, 8, firsts_of(CASES))


def label(program: Program) -> str:
    return f"{'fixed/' if program.is_fixed else ''}{program.path.stem}"


def run_fresh(program: Program, out: Path) -> Run:
    """The command of the issue, letter by letter, in a new process."""
    report = out / f"{'fixed_' if program.is_fixed else ''}{program.path.stem}.json"
    command = ["run", "--quiet", "--report", str(report), str(program.path)]
    done = subprocess.run(
        [sys.executable, "-m", "jaxkit", *command],
        env=plain_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return Run(done.returncode, done.stdout, _read(report))


def run_forked(programs: list[Program], out: Path) -> dict[Path, Run]:
    """Many programs, in a few processes."""
    stems = run_cases([p.path for p in programs if not p.missing], out)
    return {path: _read_run(stem) for path, stem in stems.items()}


def _read_run(stem: Path) -> Run:
    counts = _read(stem.with_suffix(".counts.json")) or {"exit": None, "compiles": None}
    log = stem.with_suffix(".log").read_text()
    return Run(counts["exit"], log, _read(stem.with_suffix(".report.json")), counts["compiles"])


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


def run_all(programs: list[Program], out: Path) -> dict[Path, Run]:
    """All of them in fresh processes, two at a time."""
    present = [program for program in programs if not program.missing]
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = pool.map(functools.partial(run_fresh, out=out), present)
        return {program.path: run for program, run in zip(present, runs, strict=True)}


@pytest.fixture(scope="module")
def sample_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Run]:
    return run_all(SAMPLES, tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def case_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Run]:
    run = run_all if FRESH else run_forked
    return run(CASES, tmp_path_factory.mktemp("cases"))


@pytest.mark.parametrize("program", SAMPLES, ids=label)
def test_sample(program: Program, sample_runs: dict[Path, Run]) -> None:
    check(program, sample_runs)


@pytest.mark.parametrize("program", CASES, ids=label)
def test_case(program: Program, case_runs: dict[Path, Run]) -> None:
    check(program, case_runs)


def test_a_fork_of_the_worker_is_as_good_as_a_fresh_process(
    sample_runs: dict[Path, Run], tmp_path: Path
) -> None:
    forked = run_forked(SAMPLES, tmp_path)
    for path, run in forked.items():
        assert _gist(run.report) == _gist(sample_runs[path].report), path.name


def _gist(report: dict[str, Any] | None) -> list[Any]:
    """A report without what is another number each time."""
    assert report is not None
    functions = [(f["name"], f["line"], f["compiles"]) for f in report["data"]["functions"]]
    findings = [(f["kind"], f["severity"], f["data"]["paths"]) for f in report["findings"]]
    return [sorted(functions), sorted(findings)]


def check(program: Program, runs: dict[Path, Run]) -> None:
    """Fail with everything that is wrong with a report, and the report's findings beside it."""
    if program.missing:  # a package, such as flax, that is not installed
        pytest.skip(f"needs {', '.join(program.missing)}")
    run = runs[program.path]
    if run.exit != 0 or run.report is None:
        pytest.fail(f"{program.path} ended with {run.exit}, having printed:\n{run.log}", False)
    wrong = [*_wrong_expectation(program, run), *_wrong_counts(program, run.report)]
    if program.wasteful:
        wrong += _wrong_causes(program, run.report)
    wrong += _false_alarms(program, run.report)
    if wrong:
        pytest.fail("\n".join([str(program.path), *wrong, *_found(run.report)]), False)


def _wrong_expectation(program: Program, run: Run) -> list[str]:
    """Where this JAX compiles something else than the one the case was written for."""
    if run.counts is None or program.path.parent.parent.name == "samples":
        return []
    others = program.expected[f"{'fixed_' * program.is_fixed}other_functions_compiled"]
    counts = dict(run.counts)
    for function in program.expected["functions"]:
        if function.get("fun_name") in counts:
            counts[function["name"]] = counts.pop(function["fun_name"])
    if others is None:
        counts = {name: count for name, count in counts.items() if name in program.compiles}
    expected = {**program.compiles, **(others or {})}
    expected = {name: count for name, count in expected.items() if count}
    if expected == counts:
        return []
    return [f"  this JAX compiles {counts}, the case was written for {expected}"]


def _wrong_counts(program: Program, report: dict[str, Any]) -> list[str]:
    wrong = []
    functions = report["data"]["functions"]
    for name, expected in program.compiles.items():
        found = [f["compiles"] for f in functions if f["name"] == name]
        if sum(found) != expected:
            wrong.append(f"  {name}: expected {expected} compilations, the report has {found}")
    for function in program.expected["functions"] if not program.is_fixed else ():
        each = function.get("backend_compiles_per_function")
        found = [f["compiles"] for f in functions if f["name"] == function["name"]]
        if each is not None and set(found) != {each}:
            wrong.append(f"  {function['name']}: expected {each} a function, found {found}")
    return wrong


def _wrong_causes(program: Program, report: dict[str, Any]) -> list[str]:
    return [
        f"  expected a warning {_wanted(program, function)}"
        for function in program.expected["functions"]
        if not any(_matches(f, program, function) for f in report["findings"])
    ]


def _wanted(program: Program, function: dict[str, Any]) -> str:
    paths = program.expected["argument_paths"]
    where = "" if paths is None else f" at {sorted(paths)}"
    compiles = function["backend_compiles"]
    category = program.expected["category"]
    return f"{category} of {function['name']}{where}, compiled {compiles} times"


def _matches(finding: dict[str, Any], program: Program, function: dict[str, Any]) -> bool:
    data, paths = finding["data"], program.expected["argument_paths"]
    # Eager operations have no argument names of the user's.
    named = paths is None or finding["kind"] == "eager-op-shapes" or set(data["paths"]) == {*paths}
    return (
        named
        and finding["severity"] == "warning"
        and finding["kind"] == program.expected["category"]
        and data["function"] == function["name"]
        and data["compiles"] == function["backend_compiles"]
    )


def _false_alarms(program: Program, report: dict[str, Any]) -> list[str]:
    names = {function["name"] for function in program.expected["functions"]}
    return [
        f"  false alarm: {finding['severity']} {finding['kind']} of {finding['data']['function']}"
        for finding in report["findings"]
        if finding["severity"] != "info"
        and not (
            program.wasteful
            and finding["severity"] == "warning"
            and finding["kind"] == program.expected["category"]
            and finding["data"]["function"] in names
        )
    ]


def _found(report: dict[str, Any]) -> list[str]:
    lines = ["  found:"]
    for finding in report["findings"]:
        data = finding["data"]
        lines.append(
            f"    {finding['severity']} {finding['kind']} {data['function']} "
            f"compiles={data['compiles']} paths={data['paths']}: {finding['message']}"
        )
    functions = {f["name"]: f["compiles"] for f in report["data"]["functions"]}
    return [*lines, f"    functions: {functions}"]
