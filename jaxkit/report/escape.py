r"""Text that came from somebody's program, made safe to show on a terminal.

A function may be named `\x1b[2J`, a path may hold a line break, a string may turn the writing
direction around. None of that may act on the terminal, or forge a line of ours.
"""

from __future__ import annotations

import unicodedata

__all__ = ["escape"]

# Control, format (writing direction, zero width), lone surrogates, line and paragraph separators.
_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def escape(text: str) -> str:
    r"""The text with everything that a terminal would act on written out.

    Example:
        >>> print(escape("evil\x1b[2J name\nnext"))
        evil\x1b[2J name\nnext

    Args:
        text: Any string, from anywhere.

    Returns:
        One line of printable characters: unsafe ones as Python would write them in a string.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escape_one, text))


def _escape_one(character: str) -> str:
    if unicodedata.category(character) in _UNSAFE:
        # "unicode_escape" would refuse nothing, surrogates included.
        return character.encode("unicode_escape").decode("ascii")
    return character
