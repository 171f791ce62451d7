"""Entry points of installed packages: finding them, and loading one that may be broken.

`JAXKIT_NO_PLUGINS=1` turns them off. Nothing is imported before it is used.
"""

from __future__ import annotations

import os
from typing import Any

from jaxkit.errors import PluginError

__all__ = ["entries", "label", "load"]


def entries(group: str) -> list[Any]:
    """The entry points of a group, as `importlib.metadata` has them; none where they are off.

    A package whose metadata cannot be read hides no other package's.

    Args:
        group: Such as `jaxkit.renderers`.
    """
    if os.environ.get("JAXKIT_NO_PLUGINS", "0") not in ("", "0"):
        return []
    from importlib import metadata  # slow to import, and not always needed

    try:
        return list(metadata.entry_points(group=group))
    except Exception:
        return _one_by_one(group)


def label(group: str, entry: Any) -> str:
    """What messages call an entry point."""
    return f"{group}: {entry.name} = {entry.value}"


def load(group: str, entry: Any) -> Any:
    """Imports what an entry point names.

    Args:
        group: The group that it is in.
        entry: One of `entries(group)`.

    Raises:
        PluginError: Importing it failed, by whatever means.
    """
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        reason = f"cannot be loaded: {type(error).__name__}: {error}"
        raise PluginError(label(group, entry), reason) from error


def _one_by_one(group: str) -> list[Any]:
    from importlib import metadata

    found: dict[tuple[str, str], Any] = {}
    for distribution in metadata.distributions():
        try:
            for entry in distribution.entry_points.select(group=group):
                found.setdefault((distribution.name, entry.name), entry)
        except Exception:  # its entry_points.txt is malformed
            continue
    return list(found.values())
