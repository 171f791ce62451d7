"""Two files that call the same helpers, of which the first leaves its lines in JAX's caches.

JAX keeps the jaxpr of a jitted helper for the process. One that is traced for the first time while
JAX is at an equation, as in a gradient, a lowering or an interpreter, has the line of that equation
on all that is in it.
"""

from __future__ import annotations

import importlib.util
import textwrap
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
from jax._src import source_info_util

from jaxkit.jaxpr import walk

IMPORTS = "import jax, jax.numpy as jnp, equinox as eqx, optax\n"
START = "\n\ndef start(x):\n    return jax.lax.sin(x)\n"


def module(path: Path, text: str, **names: Any) -> ModuleType:
    """A module from a text, in a file of its own.

    Args:
      path: of the file.
      text: of the module, between `IMPORTS` and `START`.
      names: what else it has.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(IMPORTS + textwrap.dedent(text) + START)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    vars(found).update(names)
    spec.loader.exec_module(found)
    return found


def leave_lines(first: ModuleType, *args: Any) -> None:
    """Traces what a module's `f` calls while JAX is at an equation of its `start`."""
    fun = first.f
    jax.clear_caches()
    with at_equation_of(first):
        jax.eval_shape(fun, *args)
        jax.eval_shape(jax.grad(lambda *a: fun(*a).real.sum()), *args)
        jax.eval_shape(jax.vmap(fun, axis_size=2, in_axes=None), *args)


def at_equation_of(first: ModuleType) -> AbstractContextManager[None]:
    """What is traced inside has the line of a module's `start`, as in a gradient of JAX's."""
    [eqn] = jax.make_jaxpr(first.start)(1.0).eqns
    return source_info_util.user_context(eqn.source_info.traceback)


def files_of(jaxpr: Any) -> set[str]:
    """The files in the tracebacks of a program, whoever they belong to."""
    return {
        code.co_filename
        for site in walk(jaxpr)
        if site.eqn.source_info.traceback is not None
        for code in site.eqn.source_info.traceback.raw_frames()[0]
    }


def lines_of(jaxpr: Any) -> Iterator[tuple[str, str, int]]:
    """Primitive, file and line of each equation that calls nothing and has a line."""
    for site in walk(jaxpr):
        if site.where is not None:
            yield site.primitive, site.where.file, site.where.line
