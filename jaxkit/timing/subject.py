"""A function that is to be timed: its first calls, and what they tell about it."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax

from jaxkit._jax.jaxprs import name_of
from jaxkit._jax.jitted import is_jitted
from jaxkit.compiles.event import CompileEvent
from jaxkit.timing import block
from jaxkit.timing.arguments import Arguments, copied, deleted, prepared
from jaxkit.timing.clock import Budget
from jaxkit.timing.heard import Heard
from jaxkit.timing.state import State, calls_jitted

__all__ = ["SHARE", "Facts", "Subject", "WarmUp"]

_WARM_UP = 8  # calls at most until two in a row compile nothing
SHARE = 0.3  # of the time that warming up may take
_SHORT = 0.02  # of the time: calls that hardly count
_FAST = 1e-3  # seconds of a call that can be repeated without a thought
BLOCK = 1e-4  # seconds of a block of calls: short ones see the same machine on both sides
_MOST = 4_096  # calls in a block
_COPIES = 256 << 20  # bytes of copies that are made ahead of a block


@dataclass
class Facts:
    """What the first calls showed.

    Attributes:
        kinds: What is in the results, see `block.kinds_of`.
        hidden: Arrays were found inside of opaque results.
        unwaited: Arrays were still being computed after waiting for the result, and how many.
        dropped: The process went on computing although no array was.
        repeated: The same array came out of two calls.
        filled: That array is NumPy's, and the function had it by name before its first call.
        changed: What of the user's a call changed, in words.
        effects: Effects that the program itself has, in words.
        compiled_cold: The first call compiled something.
        never_warm: Nearly every call of the warm-up compiled something, the last one too.
        generator: A generator came out, which has not run yet.
        empty: Nothing came out.
        uses_jax: Arguments are JAX arrays, something was compiled, or it calls jitted functions.
        inner_jit: It calls jitted functions.
        remembers: It changed something reachable, if only in its first call.
        compiled_again: A call after the first compiled something.
        event: The last compilation after the first call.
        compiled_late: Blocks that compiled something although the function was warm.
    """

    kinds: set[str] = field(default_factory=set)
    hidden: bool = False
    unwaited: int = 0
    dropped: bool = False
    repeated: str = ""
    filled: bool = False
    changed: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    compiled_cold: bool = False
    never_warm: bool = False
    generator: bool = False
    empty: bool = False
    uses_jax: bool = False
    inner_jit: bool = False
    remembers: bool = False
    compiled_again: bool = False
    compiled_late: int = 0
    event: CompileEvent | None = None


@dataclass
class Subject:
    """A function with its arguments, ready to be called in blocks.

    Attributes:
        name: Of the function.
        fun: The function.
        given: Its arguments.
        heard: Counts compilations.
        facts: What the first calls showed.
        first_call_seconds: The first call with all that it traces and compiles.
        compile_seconds: Tracing, lowering and compiling before the function was warm.
        estimate: Seconds of a call, roughly.
        wait: Waits for a result.
        warm: Seconds of the first calls that compiled nothing.
        interrupted: By Ctrl-C, after the first call.
    """

    name: str
    fun: Callable[..., Any]
    given: Arguments
    heard: Heard
    facts: Facts = field(default_factory=Facts)
    first_call_seconds: float = 0.0
    compile_seconds: float = 0.0
    estimate: float = 0.0
    wait: block.Wait = block.wait_for_any
    warm: list[float] = field(default_factory=list)
    interrupted: bool = False

    def run(self, count: int) -> float:
        """Seconds of so many calls, each of which is waited for before the next begins."""
        if self.given.reusable:
            seconds = _same(self.fun, self.given.args, self.given.kwargs, self.wait, count)
        else:
            seconds = _each(self.fun, self.given.fresh(count), self.wait)
        if self.facts.dropped:  # what nobody waits for would be in the way of the next
            block.settle(1.0)
        return seconds

    def inner(self, seconds: float | None = None) -> int:
        """How many calls make a block.

        Args:
            seconds: Of a call; its own estimate if left out.
        """
        if self.given.setup is not None or self.facts.dropped:
            return 1
        seconds = max(self.estimate if seconds is None else seconds, 1e-9)
        wanted = round(BLOCK / seconds)
        if self.given.donated:
            wanted = min(wanted, _COPIES // max(self.given.nbytes, 1))
        return max(1, min(wanted, _MOST))


def _same(fun: Any, args: Any, kwargs: Any, wait: block.Wait, count: int) -> float:
    clock = time.perf_counter
    turns = itertools.repeat(None, count)
    if kwargs:
        begin = clock()
        for _ in turns:
            wait(fun(*args, **kwargs))
        return clock() - begin
    begin = clock()
    for _ in turns:
        wait(fun(*args))
    return clock() - begin


def _each(fun: Any, calls: list[Any], wait: block.Wait) -> float:
    clock = time.perf_counter
    begin = clock()
    for args, kwargs in calls:
        wait(fun(*args, **kwargs))
    return clock() - begin


class WarmUp:
    """Calls a function until it is warm, looking at what it does.

    Args:
        fun: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        heard: Counts compilations.
        budget: What is left for everything.
        setup: Makes arguments anew before each call.
        share: Of the budget's seconds that the first calls may take.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        heard: Heard,
        budget: Budget,
        setup: Callable[[], Any] | None = None,
        share: float = SHARE,
    ) -> None:
        self.subject = Subject(name_of(fun), fun, prepared(fun, args, kwargs, setup), heard)
        self.heard, self.budget = heard, budget
        self._until = budget.spent + share * budget.seconds
        self.seconds: list[float] = []
        self.compiled: list[int] = []
        self._before = (heard.count, heard.seconds)
        self._hits = 0
        self._compiling = 0.0
        self._last: Any = None
        self._state: State | None = None
        self._effects = False
        self._dropped: list[float] = []

    def run(self) -> Subject:
        """Makes the first calls."""
        subject = self.subject
        block.settle(0.1 * self.budget.seconds)
        self._before = (self.heard.count, self.heard.seconds)
        self._first()
        with self._interruptible():
            while not self.enough():
                self._call()
        self._sum_up()
        with self._interruptible():
            self._calibrate()
        return subject

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C ends what comes after the first call: that one is something to return."""
        try:
            yield
        except KeyboardInterrupt:
            self.subject.interrupted = True

    def _sum_up(self) -> None:
        subject = self.subject
        warm = [s for s, n in zip(self.seconds, self.compiled, strict=False) if not n]
        subject.compile_seconds = self.heard.seconds - self._before[1]
        cold = len(self.seconds) > 2 and bool(self.compiled[-1])
        subject.facts.never_warm = cold and not warm[1:]
        facts = subject.facts
        facts.compiled_again = any(self.compiled[1:])
        count = self.heard.count - self._before[0]
        recent = list(self.heard.events)[-count:] if count else []
        facts.inner_jit = any(event.via != "eager" for event in recent)
        facts.inner_jit = facts.inner_jit or calls_jitted(subject.fun)
        facts.event = recent[-1] if facts.compiled_again else None
        facts.uses_jax = self._uses_jax()
        subject.warm = warm if self.compiled[0] else warm[1:]
        first = subject.first_call_seconds - subject.compile_seconds
        subject.estimate = min(warm or self.seconds[1:] or [max(first, 1e-9)])
        self._last = self._state = None

    def _uses_jax(self) -> bool:
        given = jax.tree.leaves((self.subject.given.args, self.subject.given.kwargs))
        used = any(isinstance(leaf, jax.Array) for leaf in given)
        used = used or self.heard.count > self._before[0]
        return used or calls_jitted(self.subject.fun)

    def _calibrate(self) -> None:
        """A call that is shorter than the clock is long: timed in blocks, which grow."""
        subject = self.subject
        for _ in range(5):
            if subject.estimate > _FAST or subject.interrupted:
                return
            count = subject.inner()
            known = self.heard.count
            seconds = subject.run(count) / count
            if self.heard.count > known:
                subject.facts.compiled_late += 1
                subject.facts.event = self.heard.events[-1]
                continue
            subject.estimate = min(seconds, subject.estimate)

    def enough(self) -> bool:
        """Whether two calls in a row compiled nothing, or there is no time for another one."""
        if len(self.seconds) > 2 and not any(self.compiled[-2:]):
            return True
        if len(self.seconds) >= _WARM_UP:
            return True
        run = self._without_compiling()
        if len(self.seconds) == 1:  # the figure needs one call at least that is not the first
            return run > max(self.budget.seconds, self.budget.left)
        if len(self.seconds) == 2:
            # The first one may have had copies: only a third has arguments that one before it had,
            # and tells what each call changes from what a call with new arguments remembers.
            if run < _SHORT * self.budget.seconds:
                return False
            if self.subject.facts.changed:
                return run > self.budget.left
        return self.budget.spent + run > self._until

    def _without_compiling(self) -> float:
        """What the last call took besides, which is what the next will take."""
        return max(self.seconds[-1] - self._compiling, 0.0)

    def _first(self) -> None:
        subject, fun = self.subject, self.subject.fun
        begin = time.perf_counter()
        if is_jitted(fun):
            self._look_ahead(fun)
        traced = time.perf_counter() - begin
        seconds = self._call(careful=not is_jitted(fun), before=traced)
        subject.first_call_seconds = seconds
        subject.facts.compiled_cold = bool(self.compiled[0])

    def _look_ahead(self, fun: Any) -> None:
        """What the trace of a jitted function says before anything runs."""
        traced = fun.trace(*self.subject.given.args, **self.subject.given.kwargs)
        info: Any = getattr(traced, "args_info", ())
        leaves: list[Any] = jax.tree.leaves(info, is_leaf=lambda leaf: hasattr(leaf, "donated"))
        self.subject.given.donated = any(getattr(leaf, "donated", False) for leaf in leaves)
        effects = getattr(traced.jaxpr, "effects", ())
        self.subject.facts.effects = sorted({_word(effect) for effect in effects} - {""})
        self._effects = bool(self.subject.facts.effects)

    def _call(self, *, careful: bool = False, before: float = 0.0) -> float:
        """One call, timed and looked at; `careful` keeps the user's arrays from being donated."""
        subject, facts = self.subject, self.subject.facts
        call = subject.given.one()
        if careful and not subject.given.donated:
            with contextlib.suppress(RuntimeError):  # there is no memory for two of them
                call = jax.block_until_ready(copied(call))
        args, kwargs = call
        state = State(subject.fun, args, kwargs)
        self._state = self._state or state
        known, compiling, begin = self.heard.count, self.heard.seconds, time.perf_counter()
        out = subject.fun(*args, **kwargs)
        returned = time.perf_counter()
        subject.wait(out)
        seconds = time.perf_counter() - begin + before
        left = block.unready()  # the longer, the more arrays live: not the call's time
        begun = time.perf_counter()
        jax.block_until_ready(left)
        seconds += time.perf_counter() - begun
        facts.unwaited = max(facts.unwaited, len(left))
        self._look(out, call, returned - begin)
        changed = state.changed()
        facts.remembers = facts.remembers or bool(changed)
        if self.seconds:  # what only the first call changes is set up, and no side effect
            facts.changed = changed
        elif careful and deleted(call):
            subject.given.donated = True
        self.seconds.append(seconds)
        self.compiled.append(self.heard.count - known)
        self._compiling = self.heard.seconds - compiling + before
        self._last = out
        return seconds

    def _look(self, out: Any, call: Any, seconds: float) -> None:
        """Chooses how to wait, and compares the result with the last one."""
        facts = self.subject.facts
        facts.kinds |= block.kinds_of(out)
        facts.empty = not block.leaves_of(out)
        facts.hidden = facts.hidden or bool("opaque" in facts.kinds and block.hidden(out))
        facts.generator = facts.generator or hasattr(out, "gi_frame")
        path, array = _repeated(self._last, out, call)
        facts.repeated = facts.repeated or path
        facts.filled = self._state is not None and self._state.names(array)
        hits = _hits(self.subject.fun)
        if hits > self._hits and self.seconds:
            facts.repeated = facts.repeated or "a hit of its cache"
        self._hits = hits
        if facts.empty and not facts.hidden and self._uses_jax():
            after = block.dropped_work(min(max(0.5 * seconds, 0.03), 0.5))
            if self.seconds:  # the first one has compiled
                self._dropped.append(after - 0.3 * seconds)
            facts.dropped = bool(self._dropped) and min(self._dropped) > 0
        self.subject.wait = block.wait_for(
            facts.kinds,
            search=facts.hidden,
            everything=bool(facts.unwaited),
            effects=self._effects,
        )


def _hits(fun: Any) -> int:
    """How often a function of `functools.cache` has not been run."""
    try:
        return int(fun.cache_info().hits)
    except Exception:  # it has no cache, or another kind of one
        return 0


def _word(effect: Any) -> str:
    """``Debug``, ``Write``: an effect's kind; empty for those that change nothing."""
    name = type(effect).__name__.removesuffix("Effect")
    return "" if name.startswith(("Read", "NamedAxis")) else name


def _repeated(last: Any, out: Any, call: Any) -> tuple[str, Any]:
    """The path of an array that was returned before, and is none of the arguments; the array."""
    if last is None:
        return "", None
    given = {id(leaf) for leaf in jax.tree.leaves(call)}
    before = {id(leaf): leaf for leaf in block.leaves_of(last)}
    leaves = jax.tree_util.tree_leaves_with_path(out, is_leaf=block.is_iterator)
    for path, leaf in leaves:
        is_array = hasattr(leaf, "shape") and hasattr(leaf, "dtype")
        if is_array and before.get(id(leaf)) is leaf and id(leaf) not in given:
            return jax.tree_util.keystr(path) or "result", leaf
    return "", None
