"""`jaxkit doctor`: the arguments."""

import typer


def doctor(context: typer.Context) -> None:
    """Later."""
