"""Checks one law, or all, and decides which breach is the cause of which."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import jax

from jaxkit.errors import FindingsError
from jaxkit.testing._isolation import TimedOutError, in_a_thread_of_its_own
from jaxkit.testing._subject import default_subjects
from jaxkit.testing.laws import laws
from jaxkit.testing.laws._law import Bench, BrokenError, Law, NotCheckedError, identity, said
from jaxkit.testing.laws.callables import DECORATED

__all__ = ["Outcome", "check_law", "check_laws", "check_with_causes"]

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
    "once",
    "exceptions",
    "threads",
)


# In the order in which one breach may explain another.
CAUSES_FIRST: tuple[str, ...] = tuple(
    "lazy isolation pure mutation config args signature callables methods values pytree dtype jit "
    "static vmap grad scan sharding shard_map once retrace threads exceptions leak".split()
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
        weak: Whether any other breach is enough to explain it.
    """

    law: Law
    state: State
    message: str = ""
    seconds: float = 0.0
    site: Site | None = None
    weak: bool = False


def check_law(law: Law, bench: Bench) -> Outcome:
    """Checks one law, by itself."""
    if not bench.own_subjects:  # what a transform has put on a function must not stay
        bench = dataclasses.replace(bench, subjects=default_subjects(bench.level))
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


def check_laws(bench: Bench, slugs: Sequence[str] | None = None) -> list[Outcome]:
    """Checks laws, each by itself, and keeps of the breaches those that are no other's."""
    chosen = laws()
    wanted = [slug for slug in chosen if slugs is None or slug in set(slugs)]
    outcomes = {slug: check_law(chosen[slug], bench) for slug in wanted}
    return blamed(outcomes)


def check_with_causes(law: Law, bench: Bench) -> Outcome:
    """Checks one law, and if it is broken also those whose breach may be why."""
    outcome = check_law(law, bench)
    if outcome.state != "broken":
        return outcome
    slugs = list(laws()) if outcome.weak else [*CAUSES_FIRST[: CAUSES_FIRST.index(law.slug)]]
    return next(e for e in check_laws(bench, [*slugs, law.slug]) if e.law.slug == law.slug)


def blamed(outcomes: Mapping[str, Outcome]) -> list[Outcome]:
    """The outcomes, those that say nothing that another has not said as not checked."""
    strong = {slug: each for slug, each in outcomes.items() if each.state == "broken"}
    weak = {slug: strong.pop(slug) for slug in list(strong) if strong[slug].weak}
    roots: dict[str, Outcome] = {}
    follows: dict[str, str] = {}
    for slug in sorted(strong, key=CAUSES_FIRST.index):
        cause = next((r for r in roots.values() if _explains(r, strong[slug])), None)
        if cause is None:
            roots[slug] = strong[slug]
        else:
            follows[slug] = cause.law.slug
    # How a function looks does not make a call fail.
    explaining = next((slug for slug in roots if slug != "signature"), None)
    for slug in weak:
        if explaining is None:
            explaining = slug
        else:
            follows[slug] = explaining
    return [
        dataclasses.replace(
            each,
            state="not-checked",
            message=f"{follows[slug]} is broken, and this follows from it: {each.message}",
        )
        if slug in follows
        else each
        for slug, each in outcomes.items()
    ]


def _explains(root: Outcome, outcome: Outcome) -> bool:
    slug, cause = outcome.law.slug, root.law.slug
    if cause in outcome.law.excused_by or (root.site is not None and root.site == outcome.site):
        return True
    if cause == "isolation" and slug in _FOLLOWS_FROM_ISOLATION:
        return True
    if cause == "callables" and DECORATED in root.message:
        return slug in _FOLLOWS_FROM_ISOLATION
    if cause == "mutation" and "has been deleted" in outcome.message:
        return True
    host = any(name in root.message for name in _HOST)
    return cause == "jit" and host and slug in _FOLLOWS_FROM_HOST


def _attempted(law: Law, bench: Bench) -> Outcome:
    try:
        in_a_thread_of_its_own(lambda: law.check(bench))
    except NotCheckedError as error:
        return Outcome(law, "not-checked", str(error))
    except BrokenError as error:
        own = isinstance(error.__context__, FindingsError)
        if own and "may_raise" in bench.tags:
            return Outcome(
                law,
                "not-checked",
                f"it raised an error of its own, as its tag may_raise says: {error}",
            )
        site = _site(error.__cause__ or error.__context__)
        return Outcome(law, "broken", str(error), site=site, weak=error.weak)
    except TimedOutError as error:
        if error.busy:
            return Outcome(law, "not-checked", f"it is still at work: {error}")
        return Outcome(law, "broken", f"a call did not end: {error}")
    except BaseException as error:
        if "may_raise" in bench.tags:
            return Outcome(law, "not-checked", f"it raised an error of its own: {said(error)}")
        # Not what the law is about, but whatever it is, the call does not work.
        return Outcome(law, "broken", f"a call raised {said(error)}", site=_site(error), weak=True)
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
