"""The command `jaxkit`: one subcommand a file, each of which only reads its arguments."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line says.

    Args:
        arguments: What stands after the command's name; `sys.argv` if left out.

    Returns:
        The exit code: 0 fine, 1 a finding that `--fail-on` names, 2 usage, 3 a limit exceeded.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _do(given)
    except Exception as error:
        from jaxkit.errors import JaxkitError

        if not isinstance(error, JaxkitError):
            raise
        from jaxkit.report.escape import escape  # names from anywhere stand in it

        said = "\n".join(map(escape, str(error).splitlines()))
        print(f"jaxkit: {said}", file=sys.stderr)
        return 2


def _do(given: list[str]) -> int:
    from jaxkit.cli.request import read_quickly

    if given[:1] == ["run"]:
        request = read_quickly(given[1:])
        if request is not None:
            from jaxkit.cli.launch import launch

            return launch(request)
    # Everything else, usage errors and help included, is typer's; it takes 50 ms to import, which
    # is nearly a tenth of what `import jax` takes.
    from jaxkit.cli.app import read

    return read(given)()
