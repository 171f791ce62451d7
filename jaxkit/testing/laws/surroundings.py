"""`config`: what lies around a call."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from typing import Any

import jax
import numpy as np

from jaxkit._jax.config import trace_context, trace_context_names
from jaxkit.testing._isolation import settings
from jaxkit.testing.laws._law import Bench, BrokenError, Law, broken, dynamic

__all__ = ["LAWS", "changed", "here"]

# What JAX counts in there by itself.
_INTERNAL = ("axis_env_state", "abstract_mesh_context_manager", "mesh_context_manager")


def here() -> dict[str, Any]:
    """JAX's configuration as this thread sees it, the environment, and NumPy's settings."""
    names = zip(trace_context_names(), trace_context(), strict=False)
    found = {f"jax {name}": value for name, value in names}
    found |= {f"jax.config.{name}": value for name, value in settings().items()}
    found |= {f"os.environ[{name!r}]": value for name, value in os.environ.items()}
    found["numpy.geterr()"] = np.geterr()
    found["numpy.get_printoptions()"] = np.get_printoptions()
    found["os.getcwd()"] = os.getcwd()
    found["warnings.filters"] = list(warnings.filters)
    found["sys.getrecursionlimit()"] = sys.getrecursionlimit()
    for name in ("", "jax"):
        found[f"logging.getLogger({name!r}).level"] = logging.getLogger(name).level
    return found


def changed(before: dict[str, Any], what: str) -> None:
    """Whatever lies around calls is as it was, or the law is broken."""
    after = here()
    for name in {**before, **after}:
        old, new = before.get(name, "unset"), after.get(name, "unset")
        if old is not new and not _equal(old, new):
            broken(f"{what} {name} is {new!r}, it was {old!r}")


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:
        return False


# What a user may have chosen, and a transform that puts back JAX's defaults takes away.
_CHOSEN = {
    "jax_default_matmul_precision": "float32",
    "jax_numpy_rank_promotion": "warn",
    "jax_enable_x64": True,
    "jax_default_prng_impl": "rbg",
}


def _config(bench: Bench) -> None:
    modules = set(sys.modules)
    try:
        _around_calls(bench)
    except BrokenError:
        if modules.issuperset(sys.modules):
            raise
        _around_calls(bench)  # modules that were first needed here may have set something up
    for name, value in _CHOSEN.items():
        jax.config.update(name, value)
    with _watched("a call, where the user had chosen otherwise than JAX's default,"):
        bench.call(bench.wrap(bench.subject.fun), bench.subject)


def _around_calls(bench: Bench) -> None:
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("default")
        _in_all_ways(bench)


def _in_all_ways(bench: Bench) -> None:
    subject = bench.subject
    with _watched("wrapping a function"):
        wrapped = bench.wrap(subject.fun)
    with _watched("a call"):
        bench.call(wrapped, subject)

    def failing(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    wrapped = bench.wrap(subject.around(failing))
    with _watched("a call that raised"), contextlib.suppress(Exception):
        bench.call(wrapped, subject)
    if "no_jit" not in bench.tags:
        call, arrays = dynamic(bench.wrap(subject.fun), subject)
        with _watched("a trace"), contextlib.suppress(Exception):
            jax.eval_shape(call, arrays(0))
    _seeds(bench)


@contextlib.contextmanager
def _watched(what: str) -> Any:
    before = here()
    yield
    changed(before, f"after {what}")


def _seeds(bench: Bench) -> None:
    """Two different states of NumPy's generator must not become one."""
    wrapped = bench.wrap(bench.subject.fun)
    kept = np.random.get_state()
    try:
        ends = []
        for seed in (1, 2):
            np.random.seed(seed)
            bench.call(wrapped, bench.subject)
            ends.append(np.random.random())
    finally:
        np.random.set_state(kept)
    if ends[0] == ends[1]:
        broken("a call seeds NumPy's global random numbers")


LAWS = (
    Law(
        "config",
        "JAX's configuration and the environment are afterwards as they were, also after an error",
        _config,
    ),
)
