"""Which versions a report tells about, found without importing any of them."""

from __future__ import annotations

import sys

from jaxkit import __version__

__all__ = ["installed_versions"]


def installed_versions() -> dict[str, str]:
    """The versions of jaxkit, Python, and of JAX's two halves where they are installed.

    Example:
        >>> sorted(installed_versions())[:2]
        ['jax', 'jaxkit']

    Returns:
        A version for each name.
    """
    from importlib import metadata  # slow to import, and not always needed

    versions = {"jaxkit": __version__, "python": sys.version.split()[0]}
    for name in ("jax", "jaxlib"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
