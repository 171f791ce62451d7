"""Library functions and their gradients are silent, wherever their code lies.

A part of it by default; JAXKIT_ALL=1 in the environment takes all.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.jaxpr.lints import clean
from tests.part import ALL, part

ROOT = Path(__file__).parents[3]
AROUND = {"jnp": 500, "nn": 120, "scipy": 130}

_IN_COPIES = """
import json, sys
import equinox, flax, optax
assert all(m.__file__.startswith(sys.argv[1]) for m in (equinox, flax, optax))
from jaxkit._jax.stack import origin
assert origin(equinox.__file__) == "user"
from tests.jaxpr.lints.clean import main
print(json.dumps(main(sys.argv[2:])))
"""


@pytest.mark.parametrize("group", part(["nn", "jnp", "random", "scipy"], 2))
def test_libraries_are_silent(group: str) -> None:
    plain, derived, warned = clean.main([group])
    assert warned == []
    least = {"jnp": (150, 130), "nn": (36, 36), "scipy": (60, 55), "random": (30, 10)}
    assert plain >= least[group][0]
    assert derived >= least[group][1]


@pytest.mark.parametrize(("group", "least"), list(AROUND.items())[0 if ALL else 1 :])
def test_so_is_what_a_user_does_with_them(group: str, least: int) -> None:
    """Transposed, sliced, mapped over other axes: what JAX transposes is not the user's."""
    looked, warned = clean.main_around([group])
    assert warned == []
    assert looked >= least


@pytest.mark.parametrize("group", ["nn", "equinox"])
def test_so_they_are_in_bfloat16(group: str) -> None:
    assert clean.main([group], "bfloat16")[2] == []


def test_they_are_silent_as_the_users_own_code(tmp_path: Path) -> None:
    """Copied to where they look like the user's, each line of them may be blamed."""
    groups = ("optax", "flax", "equinox") if ALL else ("optax",)
    for name in ("equinox", "flax", "optax"):
        [where] = find_spec(name).submodule_search_locations
        shutil.copytree(where, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    ran = subprocess.run(
        [sys.executable, "-c", _IN_COPIES, str(tmp_path), *groups],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    plain, derived, warned = json.loads(ran.stdout.splitlines()[-1])
    assert warned == []
    assert plain > (150 if ALL else 60)
    assert derived > (130 if ALL else 50)
