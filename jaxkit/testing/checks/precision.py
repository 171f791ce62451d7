"""`x64`: the function works where 64-bit types are on."""

from __future__ import annotations

import jax

from jaxkit.testing.checks._case import Case, Check, disagree
from jaxkit.testing.laws._law import said

__all__ = ["CHECKS"]

# Other bits are drawn where floats have 64 of them.
_RANDOM = ("random_bits", "threefry2x32", "rng_bit_generator", "random_wrap")


def _x64(case: Case) -> None:
    _ = case.want
    args, kwargs = case.inputs()
    try:
        with jax.enable_x64(True):
            got = case.fun(*args, **kwargs)
    except Exception as error:
        disagree(f"with jax_enable_x64 it raises {said(error)}")
        return
    try:
        text = str(jax.make_jaxpr(lambda: case.fun(*args, **kwargs))())
    except Exception:
        text = ""
    if not any(name in text for name in _RANDOM):
        case.agrees(got, "with jax_enable_x64")


CHECKS = (Check("x64", "jax_enable_x64 changes no result beyond its precision", _x64, examples=10),)
