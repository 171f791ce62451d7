"""Runs case scripts, one forked child each, in a process that has imported JAX once.

`python case_worker.py OUT_DIR [--measure-only] [--jobs N] CASE...` writes two files a case:
`<n>.counts.json` with what `jax.monitoring` itself said (compilations per function name and the
case's lines they came from, independent of jaxkit) and, unless `--measure-only`,
`<n>.report.json`, the report that `jaxkit run` makes of the case's recording; `<n>.log` is what
the case printed.

Importing JAX, Equinox, Optax and Flax costs two seconds, a case a few tenths of one. A fork after
the imports is sound as long as no backend exists yet, which is checked. `JAX_*` variables are
read while JAX is imported, so a case that sets one before its own `import jax` needs a worker
started with that variable: `measure_case.run_cases` groups the cases by it.
"""

import argparse
import atexit
import importlib.util
import json
import os
import runpy
import signal
import sys
import threading
import traceback
import warnings
from collections import Counter
from pathlib import Path

BACKEND_COMPILE = "/jax/core/compile/backend_compile_duration"
SECONDS_A_CASE = 120
PRELOADED = ("jax", "jax.numpy", "equinox", "optax", "flax", "flax.nnx", "flax.linen")


class Counts:
    """Backend compilations per function name, and the case's own lines they came from."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.compiles: Counter[str] = Counter()
        self.lines: dict[str, list[str | None]] = {}
        self._lock = threading.Lock()

    def listen(self) -> None:
        import jax.monitoring

        jax.monitoring.register_event_duration_secs_listener(self._on_duration)

    def _on_duration(self, event: str, seconds: float, **kwargs: object) -> None:
        if event != BACKEND_COMPILE:
            return
        name = str(kwargs.get("fun_name")).removeprefix("jit(").removesuffix(")")
        with self._lock:
            self.compiles[name] += 1
            self.lines.setdefault(name, []).append(self._call_line())

    def _call_line(self) -> str | None:
        frame = sys._getframe(2)
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith((self.folder, "<ipython")):
                return f"{os.path.basename(file)}:{frame.f_lineno}"
            frame = frame.f_back
        return None

    def to_dict(self) -> dict[str, object]:
        return {"compiles": dict(self.compiles), "lines": self.lines}


def preload() -> None:
    """Import what the cases import, and make sure that no backend came up with it."""
    for name in PRELOADED:
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    from jax._src import xla_bridge

    assert not xla_bridge.backends_are_initialized(), "a fork would now share a backend"


def run_script(case: Path) -> int:
    """What `python CASE` would do; the exit code."""
    sys.argv = [str(case)]
    sys.path[0] = str(case.parent)
    return _exit_code(lambda: runpy.run_path(str(case), run_name="__main__"))


def run_watched(case: Path, stem: str) -> int:
    """What `jaxkit run --report STEM.report.json CASE` does in the program's process."""
    from jaxkit.cli.ending import summarise
    from jaxkit.compiles.recording import read_events
    from jaxkit.compiles.watch import Watch

    watch = Watch(jsonl=f"{stem}.jsonl")
    watch.log.header(argv=[str(case)])
    watch.start()
    code = run_script(case)
    watch.stop(exit=None)
    recording = read_events(f"{stem}.jsonl")
    summarise(recording, wall_seconds=recording.wall_seconds).save(f"{stem}.report.json")
    return code


def _exit_code(program) -> int:
    try:
        program()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def child(case: Path, out: Path, number: int, measure_only: bool) -> int:
    """One case, in the forked child: never returns to the parent's code."""
    log = os.open(out / f"{number}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    counts = Counts(case.parent)
    counts.listen()
    signal.alarm(SECONDS_A_CASE)
    code = run_script(case) if measure_only else run_watched(case, str(out / str(number)))
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    found = {"case": str(case), "exit": code, **counts.to_dict()}
    (out / f"{number}.counts.json").write_text(json.dumps(found))
    return code


def start_child(case: Path, out: Path, number: int, measure_only: bool) -> int:
    """Fork; the child's process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX warns of forks; no backend exists yet (preload)
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        code = child(case, out, number, measure_only)
    finally:
        os._exit(code)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("cases", type=Path, nargs="+")
    parser.add_argument("--measure-only", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    preload()
    running: set[int] = set()
    for number, case in enumerate(options.cases):
        if len(running) >= options.jobs:
            running.discard(os.wait()[0])
        running.add(start_child(case.resolve(), options.out, number, options.measure_only))
    while running:
        running.discard(os.wait()[0])


if __name__ == "__main__":
    main()
