"""Checks one law, or all, and decides which breach is the cause of which."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import jax

from jaxkit.testing._isolation import TimedOutError, in_a_thread_of_its_own
from jaxkit.testing.laws import laws
from jaxkit.testing.laws._law import Bench, BrokenError, Law, NotCheckedError, identity, said

__all__ = ["Outcome", "check_law", "check_laws"]

State = Literal["passed", "broken", "not-checked"]
Site = tuple[str, str, int]

# A wrapper that looks at numbers while JAX traces. What it makes of them on the way (arrays of
# NumPy's, on no device, without weak types) follows from that.
_HOST = ("Concretization", "TracerArray", "TracerBool", "TracerInteger")
_FOLLOWS_FROM_HOST = ("dtype", "sharding", "retrace", "leak")
# With memory shared between uses, any law may seem broken.
_FOLLOWS_FROM_ISOLATION = (
    "args",
    "callables",
    "methods",
    "values",
    "pytree",
    "dtype",
    "static",
    "jit",
    "vmap",
    "grad",
    "shard_map",
    "scan",
    "retrace",
    "sharding",
)


@dataclass(frozen=True)
class Outcome:
    """How it went with one law.

    Args:
        law: Which one.
        state: passed, broken or not-checked.
        message: What happened instead, or why it was not checked.
        seconds: How long it took.
        site: Where in the transform's own code the error was raised, if one was.
    """

    law: Law
    state: State
    message: str = ""
    seconds: float = 0.0
    site: Site | None = None


def check_law(law: Law, bench: Bench) -> Outcome:
    """Checks one law, by itself."""
    tag = next((tag for tag in sorted(law.free_by) if tag in bench.tags), None)
    if tag is not None:
        return Outcome(law, "not-checked", f"the transform is free of it by its tag {tag}")
    if jax.device_count() < law.devices:
        return Outcome(
            law,
            "not-checked",
            f"it takes {law.devices} devices and here is {jax.device_count()}; set "
            "JAX_NUM_CPU_DEVICES=4 in the environment before JAX is imported",
        )
    begin = time.perf_counter()
    outcome = _attempted(law, bench)
    if outcome.state == "broken":
        control = dataclasses.replace(bench, transform=identity)
        without = _attempted(law, control)
        if without.state == "broken":
            reason = f"it fails for a transform that does nothing as well: {without.message}"
            outcome = Outcome(law, "not-checked", reason)
    return dataclasses.replace(outcome, seconds=time.perf_counter() - begin)


def check_laws(bench: Bench, slugs: Iterable[str] | None = None) -> list[Outcome]:
    """Checks laws, each by itself, and keeps of the breaches those that are no other's."""
    chosen = laws()
    outcomes = {
        slug: check_law(chosen[slug], bench) for slug in (chosen if slugs is None else slugs)
    }
    return [excused(outcome, outcomes) for outcome in outcomes.values()]


def excused(outcome: Outcome, outcomes: Mapping[str, Outcome]) -> Outcome:
    """The outcome, or why it says nothing that another has not said."""
    if outcome.state != "broken":
        return outcome
    slug = outcome.law.slug
    for other in outcomes.values():
        if other.state != "broken" or other.law.slug == slug:
            continue
        earlier = list(outcomes).index(other.law.slug) < list(outcomes).index(slug)
        same = earlier and other.site is not None and other.site == outcome.site
        if same or other.law.slug in _causes(outcome.law, other):
            reason = f"{other.law.slug} is broken, and this follows from it: {outcome.message}"
            return dataclasses.replace(outcome, state="not-checked", message=reason)
    return outcome


def causes_of(law: Law) -> tuple[str, ...]:
    """The laws whose breach may explain the breach of this one."""
    return tuple(dict.fromkeys([*law.excused_by, "isolation", "jit"]))


def _causes(law: Law, other: Outcome) -> tuple[str, ...]:
    found = law.excused_by
    if law.slug in _FOLLOWS_FROM_ISOLATION:
        found = (*found, "isolation")
    if law.slug in _FOLLOWS_FROM_HOST and any(name in other.message for name in _HOST):
        found = (*found, "jit")
    return found


def _attempted(law: Law, bench: Bench) -> Outcome:
    try:
        in_a_thread_of_its_own(lambda: law.check(bench))
    except NotCheckedError as error:
        return Outcome(law, "not-checked", str(error))
    except BrokenError as error:
        return Outcome(law, "broken", str(error), site=_site(error.__cause__ or error.__context__))
    except TimedOutError as error:
        return Outcome(law, "broken", f"a call did not end: {error}")
    except BaseException as error:
        return Outcome(law, "broken", f"a call raised {said(error)}", site=_site(error))
    return Outcome(law, "passed")


def _site(error: BaseException | None) -> Site | None:
    """The innermost line that is neither ours nor a library's."""
    if error is None:
        return None
    found = None
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not any(part in name for part in _NOT_THEIRS):
            found = (type(error).__name__, name, trace.tb_lineno)
        trace = trace.tb_next
    return found


_NOT_THEIRS = (
    "site-packages/jax/",
    "site-packages/jaxlib/",
    "site-packages/equinox/",
    "/jaxkit/testing/",
    "/jaxkit/transforms/_wrapped.py",
    "/jaxkit/transforms/_transform.py",
    "<frozen",
    "/contextlib.py",
    "/functools.py",
)
