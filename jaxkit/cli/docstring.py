"""A docstring as blocks, so that it is wrapped at the terminal's width and not at its author's."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.report import Block, Text, Tree

__all__ = ["blocks"]

# What stands in these is one line or more for each entry; in all others, running text.
_WITH_ENTRIES = ("Args:", "Arguments:", "Attributes:", "Raises:")
_VERBATIM = ("Example:", "Examples:")


def blocks(doc: str) -> Iterator[Block]:
    r"""The paragraphs and sections of a docstring in Google's style.

    Example:
        >>> list(blocks("Adds.\n\nArgs:\n    x: The first,\n        an array."))[-1].children
        ('x: The first, an array.',)

    Args:
        doc: As `inspect.getdoc` gives it. Whatever has no such form is shown all the same.

    Returns:
        Texts, and for each section a Tree; an empty Text between them.
    """
    for i, part in enumerate(_parts(doc.splitlines())):
        if i:
            yield Text("")
        head = part[0].strip()
        if len(part) > 1 and head.endswith(":") and all(line[:1] in (" ", "") for line in part[1:]):
            yield Tree(head, _section(head, part[1:]))
        else:
            yield Text(" ".join(line.strip() for line in part))


def _parts(lines: list[str]) -> Iterator[list[str]]:
    """Lines that belong together: a paragraph, or a section with all that is indented below it."""
    part: list[str] = []
    for line in lines:
        in_section = bool(part) and part[0].endswith(":") and line[:1] in (" ", "")
        if part and not in_section and (not line.strip() or not part[-1]):
            yield _trimmed(part)
            part = []
        if part or line.strip():
            part.append(line.rstrip())
    if part:
        yield _trimmed(part)


def _trimmed(part: list[str]) -> list[str]:
    while len(part) > 1 and not part[-1]:
        part.pop()
    return part


def _section(head: str, lines: list[str]) -> list[str]:
    margin = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    inner = [line[margin:] for line in lines]
    if head in _VERBATIM:
        return inner
    entries: list[str] = []
    for line in inner:
        begins = not line.startswith(" ") and head in _WITH_ENTRIES
        if not line or begins or not entries or not entries[-1]:
            entries.append(line.strip())
        else:
            entries[-1] += f" {line.strip()}"
    return [entry for entry in entries if entry]
