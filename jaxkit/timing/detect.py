"""What makes a figure doubtful, as findings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxkit.compiles.event import CompileEvent
from jaxkit.compiles.groups import Group
from jaxkit.compiles.wording import sentence
from jaxkit.jaxpr.units import bytes_text, flops_text
from jaxkit.report import Finding, SourceLine
from jaxkit.timing.program import ProgramFacts
from jaxkit.timing.rounds import Samples
from jaxkit.timing.statistics import estimate
from jaxkit.timing.subject import Subject
from jaxkit.timing.units import seconds_text

__all__ = ["KINDS", "findings_of"]

KINDS = (
    "recompiled",
    "constant-folded",
    "dead-code",
    "cached-result",
    "unblocked-output",
    "side-effects",
    "host-transfer",
    "no-jax-output",
)

_MUCH_FASTER = 5  # times as fast as the first call: nothing was computed again
_MATTERS = 0.1  # of a call's time: less than that is worth knowing, no more


def findings_of(
    subject: Subject, samples: Samples, side: int, program: ProgramFacts
) -> list[Finding]:
    """All that is to be said of one side.

    Args:
        subject: The function.
        samples: What was measured.
        side: Which of the sides it is.
        program: What is known of its program.
    """
    seconds = estimate(samples.clean(side)).value if samples.rounds else subject.estimate
    return [
        *_recompiled(subject, samples, side),
        *_program(subject, program),
        *_result(subject),
        *_effects(subject),
        *_transfer(subject, seconds),
        *_output(subject),
    ]


def _recompiled(subject: Subject, samples: Samples, side: int) -> Iterator[Finding]:
    facts = subject.facts
    dirty, early = len(samples.compiled[side]), facts.compiled_late
    rounds = samples.rounds + early
    late = dirty or early or facts.never_warm
    if not late and not facts.compiled_again:
        return
    event = facts.event
    why = f": {_why(event)}" if event is not None else ""
    data = {"samples": dirty + early, "of": rounds, "cause": event.kind if event else "unknown"}
    if not late:
        message = f"JAX compiled again after the first call{why}; the figure is without that"
        yield Finding("recompiled", "info", message, _place(event), data=data)
        return
    included = dirty * 2 > samples.rounds or not samples.rounds
    how = "the figure has compiling in it" if included else "the figure is without those"
    yield Finding(
        "recompiled",
        "warning",
        f"JAX compiled in {dirty + early} of {rounds} samples{why}; {how}",
        _place(event),
        "make the jitted function once, outside of what is timed, and call it with arguments of "
        "one shape and dtype; jaxkit.watch() tells all causes",
        data,
    )


def _why(event: CompileEvent) -> str:
    if event.kind == "first":
        return f"{event.function.name}, which is new each time"
    function = event.function
    group = Group((function.name, function.file, function.line), event.kind)
    group.add(event)
    return f"{function.name}, {sentence(group)}"


def _place(event: CompileEvent | None) -> SourceLine | None:
    if event is None or not event.function.file:
        return None
    return SourceLine(event.function.file, event.function.line, None, event.function.name)


def _program(subject: Subject, program: ProgramFacts) -> Iterator[Finding]:
    for kind, part, what, fix in (
        (
            "dead-code",
            program.dead,
            "no result needs it, and the compiler leaves it out",
            "return what was meant to be timed",
        ),
        (
            "constant-folded",
            program.folded,
            "it depends on no argument, and the compiler has computed it already",
            "pass the arrays as arguments instead of closing over them or making them inside",
        ),
    ):
        if part is None:
            continue
        yield Finding(
            kind,
            "warning",
            f"{part.share:.0%} of the work of {subject.name} ({flops_text(part.flops)}, most of it "
            f"{part.what}) is not in the figure: {what}",
            part.where,
            fix,
            {"flops": part.flops, "share": part.share},
        )


def _result(subject: Subject) -> Iterator[Finding]:
    facts = subject.facts
    if facts.repeated:
        # NumPy may fill one array again and again (out=): one that was there before, or else that
        # costs as much as the first time.
        filled = not facts.kinds & {"jax", "number"}
        slow = subject.first_call_seconds < _MUCH_FASTER * subject.estimate
        filled = filled and (facts.filled or slow)
        yield Finding(
            "cached-result",
            "info" if filled else "warning",
            f"{subject.name} returned what it had returned before ({facts.repeated}): unless it "
            "fills the same array again, that is remembered, and the figure is of looking it up",
            fix="time the function below the cache, or empty the cache with setup=",
        )
    if facts.generator:
        yield Finding(
            "unblocked-output",
            "warning",
            f"{subject.name} returned a generator: nothing of what it yields has been computed",
            fix="time a function that goes through it, such as lambda *args: list(f(*args))",
        )
    if facts.unwaited or facts.dropped:
        yield _unblocked(subject)


def _unblocked(subject: Subject) -> Finding:
    facts = subject.facts
    if facts.unwaited:
        number = facts.unwaited
        what = f"{number} array{'s' if number > 1 else ''} that {subject.name} does not return "
        what += "were still being computed when its result was there; all arrays of the process "
        what += "were waited for in each call"
        fix = "return them, also those behind mutable references, so that they can be waited for"
    else:
        what = f"{subject.name} started work whose results it drops: nothing can wait for it, and "
        what += "the figure is without it"
        fix = "return the arrays, or call jax.block_until_ready on them inside"
    return Finding("unblocked-output", "warning", what, fix=fix, data={"arrays": facts.unwaited})


def _effects(subject: Subject) -> Iterator[Finding]:
    facts = subject.facts
    what: list[str] = []
    if facts.changed:
        what.append(f"changes {', '.join(facts.changed[:4])}")
    if facts.effects:
        what.append(f"has effects beside its result ({', '.join(facts.effects[:4])})")
    if not what:
        return
    yield Finding(
        "side-effects",
        "warning",
        f"each call of {subject.name} {' and '.join(what)}: later calls may do other work than "
        "the first, and what is changed stays so",
        fix="reset it with setup=, which is not timed, or time a function without it",
        data={"changed": facts.changed, "effects": facts.effects},
    )


def _transfer(subject: Subject, seconds: float) -> Iterator[Finding]:
    moved = subject.given.moved
    inside = [] if moved or "jax" not in subject.facts.kinds else _numpy_leaves(subject.given.given)
    if not moved and not inside:
        return
    extra = _extra_seconds(subject) if moved else _put_seconds(subject)
    size = sum(nbytes for _, nbytes in moved or inside)
    path, *others = [path for path, _ in sorted(moved or inside, key=lambda each: -each[1])]
    named = f"argument {path} is a NumPy array"
    if others:
        named = f"argument {path} and {len(others)} more are NumPy arrays"
    whole = seconds + extra if moved else seconds
    matters = extra > _MATTERS * whole
    how = (
        f"put on the device once: the figure is without the {seconds_text(extra)} that each call "
        "takes longer as it stands"
        if moved
        else f"moved to the device in each call: about {seconds_text(extra)} of the figure"
    )
    yield Finding(
        "host-transfer",
        "warning" if matters else "info",
        f"{named} ({bytes_text(size)}); {how}",
        fix=f"put {'them' if others else 'it'} on the device once, with jax.device_put, before use",
        data={"bytes": size, "seconds": extra},
    )


def _numpy_leaves(call: Any) -> list[tuple[str, int]]:
    return [
        (jax.tree_util.keystr(path[1:]), leaf.nbytes)
        for path, leaf in jax.tree_util.tree_leaves_with_path(call)
        if isinstance(leaf, np.ndarray)
    ]


def _extra_seconds(subject: Subject) -> float:
    """How much longer a call takes with the arrays where they were."""
    if not subject.given.reusable:
        return _put_seconds(subject)
    times: tuple[list[float], list[float]] = ([], [])
    args, kwargs = subject.given.given
    here = subject.given.args, subject.given.kwargs
    end = time.perf_counter() + 0.1
    while not times[0] or (len(times[0]) < 20 and time.perf_counter() < end):
        for side, (args, kwargs) in enumerate((here, subject.given.given)):
            begin = time.perf_counter()
            subject.wait(subject.fun(*args, **kwargs))
            times[side].append(time.perf_counter() - begin)
    return max(min(times[1]) - min(times[0]), 0.0)


def _put_seconds(subject: Subject) -> float:
    leaves = [leaf for leaf in jax.tree.leaves(subject.given.given) if isinstance(leaf, np.ndarray)]
    times: list[float] = []
    for _ in range(5):
        begin = time.perf_counter()
        try:
            jax.block_until_ready([jax.device_put(leaf) for leaf in leaves])
        except TypeError:  # of a dtype that JAX has not
            return 0.0
        times.append(time.perf_counter() - begin)
    return min(times)


def _output(subject: Subject) -> Iterator[Finding]:
    facts = subject.facts
    if facts.kinds & {"jax"} or facts.hidden or facts.generator:
        return
    used = facts.uses_jax
    what = "nothing" if facts.empty else " and ".join(sorted(facts.kinds)) + " values"
    if facts.dropped:
        message = f"{subject.name} computes with JAX and returns {what}: its work goes on after it"
    elif facts.empty and used:
        message = f"{subject.name} returns nothing: if it does not wait for its work, nobody does"
    else:
        message = f"{subject.name} returns {what}, no JAX array: it is done when it returns"
    yield Finding(
        "no-jax-output",
        "warning" if facts.dropped else "info",
        message,
        fix="return the arrays, so that they can be waited for" if used and facts.empty else None,
    )
