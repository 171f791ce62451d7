"""The process that writes the summary, beside the program and not in it.

A program can be killed, leave by `os._exit`, run out of memory, replace `print`, or hide our
modules behind its own of the same name; its monitor writes the report all the same. It is forked
before the program begins, leaves no child for the program's `os.wait` to find, and sleeps until the
program says that it has ended, or is no more.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys
import time

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from jaxkit.cli.launch import Job

__all__ = ["start_monitor"]

# Low numbers are left free: programs may say and compare those of the files they open.
_LOWEST = 64
_HELLO, _DONE = b"h", b"."


def start_monitor(job: Job) -> tuple[int, int]:
    """Forks the monitor of this process.

    Args:
        job: What is to be reported on.

    Returns:
        Two descriptors for the program, which survive exec: where it says that it has begun (`h`)
        and has ended (`.`), and where it is told that all is written (`.`).
    """
    # Out of the way of 0, 1 and 2 as well, any of which may be closed.
    said, say, answered, answer = (_move_up(fd) for fd in (*os.pipe(), *os.pipe()))
    program = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()  # Ctrl-C is for the program
            if os.fork() == 0:
                _monitor(program, said, answer, job)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(said)
    os.close(answer)
    return say, answered


def _move_up(fd: int) -> int:
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD, _LOWEST)
    except OSError:  # no process may have so many files here
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD, 3)
    os.close(fd)
    return moved


def _monitor(program: int, said: int, answer: int, job: Job) -> None:
    death = _watch_process(program)
    _close_others({said, answer, *([] if death is None else [death])})
    messages = _wait(program, said, death, job)
    if _HELLO not in messages:
        _say("jaxkit: this Python does not run sitecustomize, so the program was not watched\n")
    from jaxkit.cli.ending import finish

    finish(job, ended=_DONE in messages)
    try:
        os.write(answer, _DONE)
    except BrokenPipeError:  # the program is no more
        return


def _watch_process(program: int) -> int | None:
    try:
        return _move_up(os.pidfd_open(program))
    except (AttributeError, OSError):  # not Linux, or a kernel before 5.3
        return None


def _close_others(kept: set[int]) -> None:
    """Lets go of all that was inherited, except standard error: others may wait for its end."""
    nowhere = _move_up(os.open(os.devnull, os.O_RDWR))
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    lower = 3
    for fd in [*sorted(kept), 1 << 20]:
        os.closerange(lower, fd)
        lower = fd + 1


def _wait(program: int, said: int, death: int | None, job: Job) -> bytes:
    """Sleeps until the program has ended; what it said until then."""
    poller = select.poll()
    poller.register(said, select.POLLIN)
    if death is not None:
        poller.register(death, select.POLLIN)
    messages = b""
    loaded = False
    while _DONE not in messages:
        ready = {fd for fd, _ in poller.poll(None if loaded else 1000)}
        if not ready:
            loaded = _load_if_needed(job)
            continue
        heard = os.read(said, 16) if said in ready else b""
        messages += heard
        if said in ready and not heard:
            # Closed: by its death, by an exec, by a program that closes whatever is open.
            poller.unregister(said)
            if death is None:
                _wait_without_pidfd(program)
                break
        if death in ready and not heard:
            break
    return messages


def _wait_without_pidfd(program: int) -> None:
    while True:
        try:
            os.kill(program, 0)
        except OSError:
            return
        time.sleep(0.1)


def _load_if_needed(job: Job) -> bool:
    """Imports what the summary will need while the program is busy, so that it need not wait.

    Only once something has been compiled: most of what it would take is of no use before.
    """
    try:
        if b"jaxkit.compile/1" not in _head(job.spool):
            return False
        os.nice(5)
        import jaxkit.compiles.recording
        import jaxkit.compiles.summary
        import jaxkit.report.render_text  # noqa: F401
    except Exception:
        return True  # what is wrong is said when it is needed
    return True


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(1 << 16)


def _say(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()
