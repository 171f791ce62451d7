"""Distributions that announce transforms, installed for one test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Install = Callable[..., None]

# A module with one transform; format it with the transform's name.
SOUND = """
import jaxkit

@jaxkit.transform
def {name}(fun, *, factor: float = 2.0):
    \"\"\"Scales what a function returns.

    More about it.
    \"\"\"
    return lambda *args: fun(*args) * factor
"""


def installer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs distributions: `install("acme", "code of the module", "name = module:attribute")`.

    A distribution's module has its name.

    Args:
        folder: Where they go, which is put on the path.
        monkeypatch: Takes them away again.
    """
    monkeypatch.delenv("JAXKIT_NO_PLUGINS", raising=False)
    monkeypatch.syspath_prepend(folder)

    def install(name: str, code: str, *points: str) -> None:
        monkeypatch.delitem(sys.modules, name, raising=False)
        (folder / f"{name}.py").write_text(code)
        about = folder / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "\n".join(points)
        (about / "entry_points.txt").write_text(f"[jaxkit.transforms]\n{lines}\n")
        importlib.invalidate_caches()

    return install
