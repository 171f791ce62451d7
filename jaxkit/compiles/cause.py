"""Why a function was compiled again: explained against the closest earlier compilation of it.

Every kind of cause follows from what JAX's caches have in their keys: the function object, the
tree of the arguments and their types, static values, placements, `jax.jit`'s options and the
configuration. Where all of that is equal and was fully read, the entry must have been dropped.

Pure data; never imports JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxkit.compiles.diff import changes, differing, same_leaf
from jaxkit.compiles.event import Cause, CompileEvent, Function

FIRST = Cause("first")
_MAX_COMPARED = 10_000  # leaves
_FEW = 4
_ARGUMENT_ORDER = (
    "config-context",  # first: x64 alone changes the types of Python numbers as well
    "call-signature",
    "pytree-structure",
    "static-arg-value",
    "static-arg-identity",
    "static-metadata",
    "dtype-change",
    "shape-change",
    "weak-type",
    "jit-options",
    "sharding-or-device",
)
# What an eager operation is compiled for besides placement and configuration.
_EAGER = frozenset(_ARGUMENT_ORDER[1:9])


def explain(
    event: CompileEvent,
    earlier: Sequence[CompileEvent],
    is_alive: Callable[[str], bool] = lambda token: False,
) -> tuple[Cause, ...]:
    """The causes of a compilation, the leading one first.

    Args:
      event: the compilation, its causes not yet filled in.
      earlier: earlier compilations of the same function, oldest first.
      is_alive: whether the function object of a token still exists.
    """
    peers = [past for past in earlier if past.role == event.role]
    if not peers:
        return (FIRST,)
    if event.backward:
        inherited = _of_forward_pass(event, earlier)
        if inherited is not None:
            return inherited
    return _against(event, _closest(event, peers), is_alive)


def _closest(event: CompileEvent, peers: Sequence[CompileEvent]) -> CompileEvent:
    """The earlier compilation that differs least, the later of equals.

    Of large arguments only the latest and the oldest few are compared, while the program waits.
    """
    most = max(_MAX_COMPARED // (len(event.signature.leaves) + 1), 2 * _FEW)
    if len(peers) > most:
        peers = [*peers[:_FEW], *peers[-(most - _FEW) :]]
    best, least = peers[-1], distance(event, peers[-1])
    for past in peers[-2::-1]:
        found = distance(event, past)
        if found < least:
            best, least = past, found
    return best


def _of_forward_pass(
    event: CompileEvent, earlier: Sequence[CompileEvent]
) -> tuple[Cause, ...] | None:
    """A backward program is compiled again because the forward one was, just before it."""
    for past in reversed(earlier):
        if past.thread == event.thread and not past.backward:
            return past.causes if past.recompile else None
    return None


def _against(
    event: CompileEvent, past: CompileEvent, is_alive: Callable[[str], bool]
) -> tuple[Cause, ...]:
    found = [_moved(cause, event, past) for cause in changes(event.signature, past.signature)]
    found += _options(event, past) + _config(event, past)
    function = _function(event, past, is_alive)
    if event.via == "eager" and event.function.traced is None:
        found = [_eager(cause) for cause in found]
    if past.via == "aot" and event.via != "aot" and found:
        return tuple(
            Cause("aot-mismatch", c.path, c.before, c.after, {"change": c.kind, **c.detail})
            for c in found
        )
    found.sort(key=_rank)
    causes = (*found, *function)
    if causes:
        return causes
    if event.via == "shard_map":
        return (Cause("transform-rewrap", detail={"transform": "shard_map"}),)
    if any(wrapper.startswith("rewraps") for wrapper in event.function.wrappers):
        return (Cause("control-flow-closure", detail={"body": event.function.traced}),)
    if event.role:  # derived anew from the function: another program of the same form
        return (FIRST,)
    if event.time + past.total_seconds and event.thread != past.thread:
        return (Cause("first", detail={"race": past.thread}),)
    if not event.signature.complete or not event.function.id:
        return (Cause("unknown"),)
    return (Cause("cache-cleared"),)


def _moved(cause: Cause, event: CompileEvent, past: CompileEvent) -> Cause:
    """Says of a new placement whether it came at another call: then data was moved on the way."""
    if cause.kind != "sharding-or-device" or event.call_site == past.call_site:
        return cause
    return Cause(cause.kind, cause.path, cause.before, cause.after, {**cause.detail, "moved": True})


def _rank(cause: Cause) -> int:
    kinds = _ARGUMENT_ORDER
    return kinds.index(cause.kind) if cause.kind in kinds else len(kinds)


def _eager(cause: Cause) -> Cause:
    if cause.kind not in _EAGER:
        return cause
    detail = {"change": cause.kind, **cause.detail}
    return Cause("eager-op-shapes", cause.path, cause.before, cause.after, detail)


def _options(event: CompileEvent, past: CompileEvent) -> list[Cause]:
    """What was given to `jax.jit` differently."""
    if "aot" in (event.via, past.via) and event.via != past.via and not event.options:
        return []
    return [
        Cause("jit-options", None, _text(was), _text(now), {"name": name})
        for name, was, now in _differences(past.options, event.options)
    ]


def _config(event: CompileEvent, past: CompileEvent) -> list[Cause]:
    """Configuration values in JAX's keys that differ."""
    return [
        Cause("config-context", None, _text(was), _text(now), {"name": name})
        for name, was, now in _differences(past.config, event.config)
    ]


def _differences(before: object, after: object) -> list[tuple[str, object, object]]:
    if before == after or not isinstance(before, dict) or not isinstance(after, dict):
        return []
    names = dict.fromkeys((*before, *after))
    return [
        (name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _text(value: object) -> str:
    return "default" if value is None else str(value)[:200]


def _function(
    event: CompileEvent, past: CompileEvent, is_alive: Callable[[str], bool]
) -> list[Cause]:
    """The function object is another one although its source is the same."""
    new, old = event.function, past.function
    if not new.id or not old.id or new.id == old.id:
        return []
    # A factory's functions that are kept and used side by side are not made anew at each call.
    captured = _captured(new, old, side_by_side=is_alive(old.id))
    if new.traced is not None:
        names = [cause.path for cause in captured]
        return [Cause("control-flow-closure", detail={"body": new.traced, "captured": names})]
    if captured:
        return captured
    transforms = [w.removeprefix("transform ") for w in new.wrappers if w.startswith("transform ")]
    if transforms and new.inner_id == old.inner_id:
        return [Cause("transform-rewrap", detail={"transform": transforms[0]})]
    if event.via == "shard_map":
        return [Cause("transform-rewrap", detail={"transform": "shard_map"})]
    how = "lambda" if new.name == "<lambda>" else next(iter(new.wrappers), "function")
    return [Cause("function-redefined", detail={"how": how})]


def _captured(new: Function, old: Function, *, side_by_side: bool = False) -> list[Cause]:
    """Captured data that says something else than before, name by name."""
    causes: list[Cause] = []
    if new.captured == old.captured:
        return causes
    before, after = dict(old.captured), dict(new.captured)
    for name, now in after.items():
        was = before.get(name)
        if was is not None and was.meaning != now.meaning:
            detail: dict[str, object] = {"type": now.type}
            if side_by_side:
                detail["side_by_side"] = True
            causes.append(Cause("closure-constant", name, was.repr, now.repr, detail))
    return causes


def distance(event: CompileEvent, past: CompileEvent) -> float:
    """How far a compilation is from an earlier one; any change of an argument outweighs a new
    function object, because a function hoisted out of the loop would still need that program.
    """
    new, old = event.signature, past.signature
    found = 0.0
    if new.nodes != old.nodes:
        found += 3
    if new.passing != old.passing:
        found += 1
    if new.leaves != old.leaves:
        if len(new.leaves) == len(old.leaves):
            found += sum(not same_leaf(a, b) for a, b in differing(new.leaves, old.leaves))
        else:
            found += 3 + abs(len(new.leaves) - len(old.leaves))
    if event.config is not past.config:  # one object for equal ones, most of the time
        found += 0.9 * len(_differences(past.config, event.config))
    if event.options or past.options:
        found += 0.9 * len(_differences(past.options, event.options))
    if event.function.id != past.function.id:
        found += 0.3
        if event.function.inner_id != past.function.inner_id:
            found += 0.1
        pairs = zip(event.function.captured, past.function.captured, strict=False)
        found += 0.01 * sum(a[0] == b[0] and a[1].meaning != b[1].meaning for a, b in pairs)
    if event.via != past.via:
        found += 0.05
    return found
