"""Starting the program: everything that can go wrong is said before, then Python takes over.

The process that was started becomes `python SCRIPT` by exec, so the program keeps its process
number, its parent, its signals and its exit code. Beside it waits a monitor, which writes the
summary, however the program ends. Only where the exit code may have to be another than the
program's does jaxkit stay as its parent (see `parent`).
"""

from __future__ import annotations

import os
import sys
import time

from jaxkit.cli.inside import APPLY, FDS, PYTHONPATH, SPOOL

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from jaxkit.cli.request import Request
    from jaxkit.errors import UsageError

__all__ = ["PREFIX", "Job", "become", "launch", "temporary_folders"]

# How recordings without a name of their own are called, so that those left behind are found.
PREFIX = "jaxkit-run-"


class Job:
    """One run under way.

    Args:
        request: What was asked.
        spool: The file that the events go to as they happen.
        temporary: Whether the spool is ours to delete at the end.
    """

    def __init__(self, request: Request, spool: str, *, temporary: bool) -> None:
        self.request = request
        self.spool = spool
        self.temporary = temporary
        self.start = time.time()


def launch(request: Request) -> int:
    """Runs a program and watches what it compiles.

    Args:
        request: What to run and what to report.

    Returns:
        The exit code, where jaxkit stays as the program's parent; otherwise this does not return.

    Raises:
        UsageError: It makes no sense.
        ReportPathError: A report could not be written.
    """
    _check(request)
    command = [sys.executable, *_interpreter_flags(), *_program(request)]
    if _is_missing(request):
        # Python says so itself, and ends with code 2, which for us too is a mistake in the command.
        if not request.quiet:
            _say_what_may_be_meant(request.program)
        return become(command, dict(os.environ))
    if not request.wants_anything:
        return become(command, dict(os.environ))
    if request.apply:
        return _launch_applied(request)
    job = _prepare(request)
    environment = _environment(job)
    # Nothing survives process 1, not even a monitor: the end of its container is the end of all.
    if request.decides_exit_code or os.getpid() == 1 or not hasattr(os, "fork"):
        from jaxkit.cli.parent import stay

        return stay(command, environment, job)
    from jaxkit.cli.monitor import start_monitor

    environment[FDS] = ",".join(str(fd) for fd in start_monitor(job))
    return become(command, environment)


def _launch_applied(request: Request) -> int:
    """As `launch`, with functions of the program wrapped."""
    from jaxkit.cli.applying import check_applications, compile_script, told
    from jaxkit.cli.parent import stay

    applications = check_applications(request)
    job = _prepare(request)
    folder = os.path.dirname(job.spool) if job.temporary else _temporary_folder()
    compiled = compile_script(request, applications, folder)
    environment = _environment(job)
    environment[APPLY] = told(request, applications, compiled)
    program = _program(request)
    if compiled is not None:
        program[0] = compiled.path
    try:
        return stay([sys.executable, *_interpreter_flags(), *program], environment, job)
    finally:
        if compiled is not None:
            compiled.remove()


def become(command: list[str], environment: dict[str, str]) -> int:
    """Turns this process into another program; does not return, except where there is no exec."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    if os.name == "posix":
        os.execve(command[0], command, environment)
    from subprocess import call  # elsewhere exec starts a second process and ends the first

    return call(command, env=environment)


def _check(request: Request) -> None:
    if not sys.executable:
        raise _usage_error("jaxkit run needs to know where Python is, and sys.executable is empty")
    if sys.flags.ignore_environment or sys.flags.no_site:
        raise _usage_error(
            "jaxkit run reaches the program through PYTHONPATH and sitecustomize, which the "
            "options -I, -E and -S of python turn off: leave them out"
        )
    if request.program.startswith("-") and (request.module or request.program != "-"):
        raise _usage_error(
            f"SCRIPT must be a file or, with -m, a module, got {request.program!r}; "
            f"a file of that name is ./{request.program}"
        )
    if request.fail_on:
        _check_kinds(request.fail_on, applied=bool(request.apply))
    if request.reports:
        from jaxkit.report import check_writable

        for path in request.reports:
            check_writable(path, also=(".jsonl",))
        # The program may change directory.
        request.reports = [os.path.abspath(path) for path in request.reports]


def _check_kinds(kinds: list[str], *, applied: bool) -> None:
    from jaxkit.cli.kinds import APPLIED
    from jaxkit.compiles.event import CAUSE_KINDS

    known = ["warning", *CAUSE_KINDS, *(APPLIED if applied else ())]
    for kind in kinds:
        if kind not in known:
            raise _usage_error(
                f"--fail-on must be 'warning' or the kind of a cause, got {kind!r}"
                f"{_near(kind, known)}; the kinds are {', '.join(CAUSE_KINDS)}"
            )


def _interpreter_flags() -> list[str]:
    """The options that this Python was started with: `python -O -m jaxkit run train.py`."""
    given = sys.orig_argv[1:2]
    if not given or not given[0].startswith("-") or given[0] == "-m":
        return []
    from subprocess import (
        _args_from_interpreter_flags,  # type: ignore[attr-defined]  # as multiprocessing does
    )

    unbuffered = getattr(sys.stdout, "write_through", False)
    return [*_args_from_interpreter_flags(), *(["-u"] if unbuffered else [])]


def _program(request: Request) -> list[str]:
    return [*(["-m"] if request.module else []), request.program, *request.arguments]


def _is_missing(request: Request) -> bool:
    return not request.module and request.program != "-" and not os.path.exists(request.program)


def _say_what_may_be_meant(program: str) -> None:
    folder, name = os.path.split(program)
    files = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
    near = _near(name, [file for file in files if file.endswith((".py", ".pyz"))])
    if not near and not folder and program.replace(".", "").isidentifier():
        near = f"; a module is run by jaxkit run -m {program}"
    print(f"jaxkit: there is no file {program!r}{near}", file=sys.stderr)


def _usage_error(message: str) -> UsageError:
    from jaxkit.errors import UsageError

    return UsageError(message)


def _near(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, known, n=1)
    return f"; is it {found[0]!r}?" if found else ""


def _prepare(request: Request) -> Job:
    """Opens the file that the events go to: the first report of that form, or one of our own."""
    for path in request.reports:
        if path.lower().endswith(".jsonl"):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666))
            return Job(request, path, temporary=False)
    name = f"{PREFIX}{os.getpid()}-{os.urandom(4).hex()}.jsonl"
    for folder in temporary_folders():
        path = os.path.join(folder, name)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError:
            continue
        return Job(request, path, temporary=True)
    raise _usage_error(
        "jaxkit run records into a temporary file, and none of the folders "
        f"{', '.join(temporary_folders())} can be written to: set TMPDIR, or give --report x.jsonl"
    )


def _temporary_folder() -> str:
    return next((each for each in temporary_folders() if os.access(each, os.W_OK)), os.getcwd())


def temporary_folders() -> list[str]:
    """As `tempfile` chooses them, whose import costs 20 ms."""
    named = [os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    folders = [*named, "/tmp", "/var/tmp", "/usr/tmp", os.getcwd()]
    return [os.path.abspath(folder) for folder in folders if folder]


def _environment(job: Job) -> dict[str, str]:
    environment = dict(os.environ)
    before = environment.get("PYTHONPATH")
    if before is not None:
        environment[PYTHONPATH] = before
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap")
    environment["PYTHONPATH"] = os.pathsep.join([folder, *([before] if before else [])])
    environment[SPOOL] = job.spool
    return environment
