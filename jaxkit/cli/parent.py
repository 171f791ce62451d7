"""Staying as the program's parent, where the exit code may have to be another than its own.

Only after its end is it known whether the program's own code was 0, and only its parent can then
give another. Apart from that the parent is not noticed: signals sent to it reach the program, and
it ends as the program did.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from jaxkit.cli.launch import Job

__all__ = ["stay"]

# Those that end or inform a program and that a parent is sent in its place. Stopping and going on
# (SIGTSTP, SIGCONT) reach both of us, as one job of the shell.
_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH")


def stay(command: list[str], environment: dict[str, str], job: Job) -> int:
    """Runs the program as a child and reports after its end.

    Args:
        command: The program, as an argument vector.
        environment: All of its environment.
        job: What is to be reported on.

    Returns:
        The program's exit code if that is not 0; else what the report makes of it. A program that
        was killed by a signal has its parent die of the same.
    """
    from jaxkit.cli.ending import finish

    status = _run(command, environment)
    verdict = finish(job, ended=None if status >= 0 else False, code=status)
    if status < 0:
        _die_of(-status)
        return 128 - status  # process 1 survives its own signals; this is what shells make of them
    return status or verdict


def _run(command: list[str], environment: dict[str, str]) -> int:
    """The program's exit code, or minus the signal that killed it."""
    if not hasattr(signal, "sigwaitinfo") or not hasattr(os, "fork"):
        return _run_simply(command, environment)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    passed_on = {getattr(signal, name) for name in _PASSED_ON}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed_on, signal.SIGCHLD})
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            _die_with(parent)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.execve(command[0], command, environment)
        finally:
            os._exit(127)
    status = _wait(child, {*passed_on, signal.SIGCHLD})
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return os.waitstatus_to_exitcode(status)


def _wait(child: int, signals: set[signal.Signals]) -> int:
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        received = signal.sigwaitinfo(signals)
        # Above 0: from the system, as for Ctrl-C on the terminal, which the program got as well.
        if received.si_signo != signal.SIGCHLD and received.si_code <= 0:
            os.kill(child, received.si_signo)


def _die_with(parent: int) -> None:
    """Lets the system end this process with its parent, even if that is killed."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def _die_of(number: int) -> None:
    import resource

    # The program has left its core file, if any; ours would be written over it.
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _run_simply(command: list[str], environment: dict[str, str]) -> int:
    from subprocess import Popen

    process = Popen(command, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the program got it as well
            continue
