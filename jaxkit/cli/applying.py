"""The launcher's side of `--apply`: what is wrong is said, the script is rewritten."""

from __future__ import annotations

import os

from jaxkit.cli import rewrite
from jaxkit.cli.applications import Application, check_transforms, dump, read_applications
from jaxkit.cli.applied import Plan, absolute, begun, chosen, rewritten

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from jaxkit.cli.request import Request

__all__ = ["Compiled", "check_applications", "compile_script", "told"]


def check_applications(request: Request) -> list[Application]:
    """Holds that all that is to be applied can be, as far as that is known before the program runs.

    Args:
        request: What was asked, whose program exists.

    Raises:
        UsageError: A transform, an option or a function that there is not.
    """
    from jaxkit.cli.scan import Scan, explain_missing
    from jaxkit.errors import UsageError

    applications = read_applications(request.apply)
    if request.program == "-" and not request.module:
        raise UsageError("--apply rewrites a file, and a program on standard input has none")
    scan = Scan(request.program, module=request.module)
    for application in applications:
        if scan.missing(application):
            raise UsageError(explain_missing(application, scan.definitions))
    check_transforms(applications)
    return applications


class Compiled:
    """The script with its decorators, as byte code for Python to run in its place.

    Args:
        path: The file; removed by the program once it runs.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def remove(self) -> None:
        """If the program has not come so far."""
        try:
            os.unlink(self.path)
        except OSError:
            return


def compile_script(
    request: Request, applications: list[Application], folder: str
) -> Compiled | None:
    """Compiles the script; None where Python finds by itself what is to be run.

    Args:
        request: What was asked.
        applications: What was read from it.
        folder: Where the byte code may go.
    """
    script = request.program
    if request.module or not os.path.isfile(script):
        return None
    path = absolute(script)
    plan = Plan([each.plain() for each in applications], script, "", None, request.quiet)
    try:
        with open(script, "rb") as file:
            source = file.read()
        tree = rewritten(plan, chosen(plan, "__main__", path), source, path)
        if tree is None:
            return None
        rewrite.begin_with(tree, begun())
        code = compile(tree, path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None  # what is wrong with it, Python says
    from importlib.util import MAGIC_NUMBER
    from marshal import dumps

    name = os.path.join(folder, f"jaxkit-apply-{os.getpid()}-{os.urandom(4).hex()}.pyc")
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(MAGIC_NUMBER + bytes(12) + dumps(code))
    return Compiled(name)


def told(request: Request, applications: list[Application], compiled: Compiled | None) -> str:
    """What the program's process is told by an environment variable."""
    plain = [each.plain() for each in applications]
    script = None if compiled is None else request.program
    path = "" if compiled is None else compiled.path
    main = request.program if request.module else None
    return dump((plain, script, path, main, request.quiet))
