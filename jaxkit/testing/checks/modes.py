"""`jit`, `device`, `vmap` and `spmd`: the ways to run a function mean the same."""

from __future__ import annotations

from jaxkit.testing.checks._case import Case, Check, DisagreementError, UncheckedError, disagree
from jaxkit.testing.laws._law import said
from jaxkit.testing.variants import two_rows

__all__ = ["CHECKS"]


def _in(case: Case, variant: str, what: str) -> None:
    if variant not in case.variants:
        return
    _ = case.want
    try:
        got = case.run_as(variant)
    except (DisagreementError, UncheckedError):
        raise
    except AssertionError as error:
        disagree(f"{what}: {error}")
    except Exception as error:
        disagree(f"{what} it raises {said(error)}")
    else:
        case.agrees(got, what)


def _jit(case: Case) -> None:
    _in(case, "with_jit", "under jax.jit")
    if "without_jit" not in case.variants:
        return
    try:
        got = case.run_as("without_jit")
    except Exception:
        return  # not all of JAX works without jit
    case.agrees(got, "under jax.disable_jit")


def _device(case: Case) -> None:
    _in(case, "with_device", "with arrays on a device")
    if "without_device" not in case.variants:
        return
    try:
        got = case.run_as("without_device")
    except AttributeError as error:
        # Such as `x.at`: nobody is misled by that.
        disagree(f"with NumPy's arrays it raises {said(error)}", "info")
    except Exception as error:
        disagree(f"with NumPy's arrays it raises {said(error)}")
    else:
        case.agrees(got, "with NumPy's arrays")


def _vmap(case: Case) -> None:
    _in(case, "vmap", "under jax.vmap")
    _apart(case, "vmap", "under jax.vmap, beside another row,")


def _spmd(case: Case) -> None:
    for variant, name in (("with_pmap", "jax.pmap"), ("shard_map", "jax.shard_map")):
        _in(case, variant, f"under {name}")
        _apart(case, variant, f"under {name}, beside another call,")


def _apart(case: Case, variant: str, what: str) -> None:
    """Rows that differ do not see each other: the other is an earlier example of the same form."""
    other = case.earlier() if variant in case.variants else None
    if other is None:
        return
    first, second = two_rows(variant, case.fun, case.inputs(), other.inputs())
    case.agrees(first, what)
    other.agrees(second, what)


CHECKS = (
    Check("jit", "jax.jit changes no result", _jit, examples=20),
    Check("device", "arrays of NumPy's give the results that arrays of JAX's give", _device),
    Check("vmap", "jax.vmap does for each row what a call does", _vmap, examples=10),
    Check("spmd", "on several devices each gets what one gets", _spmd, examples=5, devices=2),
)
