"""What to change so that it does not happen again, checked by replay where replay can tell.

Never imports JAX. Advice that JAX's own guides give and that does not hold (a fresh
`functools.partial` in place of a lambda, for one) is not given here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jaxkit.compiles.groups import FunctionStats, Group
from jaxkit.compiles.replay import Leaves, Replay, as_one, pad_axes
from jaxkit.compiles.wording import (
    alike,
    counted,
    differing_fields,
    listed,
    names,
    seconds,
)

# Above this many sizes, or this ratio of largest to smallest, one size for all wastes too much.
_ONE_SIZE_COUNT = 8
_ONE_SIZE_RATIO = 16
_ARGUMENT = re.compile(r"[A-Za-z_]\w*")


def fix(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str | None:
    """The fix for a group, or None where there is nothing to mend or nothing is known."""
    if group.kind == "unknown" or not group.avoidable:
        return None
    return _FIXES[group.kind](group, stats, shapes)


def _left(replay: Replay, group: Group, stats: FunctionStats) -> str:
    """The outcome of a replay: programs left and seconds spared."""
    before, after = replay.before, replay.after
    if after >= before:
        return ""
    spared = group.seconds * min((before - after) / max(group.recompiles, 1), 1.0)
    alone = "by itself " if group.recompiles < stats.compiles - 1 else ""
    return (
        f": {alone}{counted(after, 'compilation')} instead of {before}, "
        f"{seconds(spared)} saved (replayed)"
    )


def _shape(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    if any(path.ranks or not path.axes for path in group.paths.values()):
        return f"give {names(group)} the same shape at every call, or jit one function a shape"
    buckets = {
        (path.path, axis): _bucket(sizes)
        for path in group.paths.values()
        for axis, sizes in path.axes.items()
    }
    replay = pad_axes(shapes, buckets)
    each = [
        f"{listed(path.path for path in paths)} along "
        + listed(
            f"axis {axis} to {buckets[paths[0].path, axis] or 'the next power of two'}"
            for axis in sorted(paths[0].axes)
        )
        for paths in alike(group.paths.values())
    ]
    axes = {axis: sizes for path in group.paths.values() for axis, sizes in path.axes.items()}
    ragged = list(axes) == [0] and len(axes[0]) == 2 and len(group.sites) == 1
    drop = " (or drop the short one)" if ragged else ""
    call = _bucket_call(group, buckets)
    by, mask = (f", as {call} does", "the mask that it passes") if call else ("", "a mask")
    return (
        f"pad {listed(each)}{drop}{by}, and leave the padding out of the result "
        f"with {mask}{_left(replay, group, stats)}"
    )


def _bucket_call(group: Group, buckets: Mapping[tuple[str, int], int | None]) -> str:
    """The call of `jaxkit.bucket` that pads so, where one axis of whole arguments is padded."""
    axes = {axis for _, axis in buckets}
    sizes = {frozenset(path.axes.get(axis, ())) for path in group.paths.values() for axis in axes}
    names = {_ARGUMENT.match(path) for path in group.paths}
    if len(axes) != 1 or len(sizes) != 1 or None in names or group.example is None:
        return ""
    [axis], [found] = axes, sizes
    roots = list(dict.fromkeys(match[0] for match in names if match))
    whole = all(
        leaf.path in group.paths
        for leaf in group.example.signature.leaves
        if leaf.kind == "array" and (match := _ARGUMENT.match(leaf.path)) and match[0] in roots
    )
    if not whole or "self" in roots:
        return ""
    largest = _bucket(set(found))
    powers = f"jaxkit.transforms.powers_of_two({max(min(found), 1)}, {max(found)})"
    in_axes = ", ".join(f'"{root}": {axis}' for root in sorted(roots))
    return f"jaxkit.bucket(in_axes={{{in_axes}}}, sizes={f'({largest},)' if largest else powers})"


def _bucket(sizes: set[int]) -> int | None:
    """The one size to pad to, or None where one size for all would waste too much."""
    largest, smallest = max(sizes), max(min(sizes), 1)
    if len(sizes) <= _ONE_SIZE_COUNT and largest / smallest <= _ONE_SIZE_RATIO:
        return largest
    return None


def _dtype(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    path = next(iter(group.paths.values()))
    if "key<" in path.before + path.after:
        return f"make {names(group)} in one way, jax.random.key, everywhere"
    dtype = (path.before if not path.before.endswith("weak") else path.after).partition("[")[0]
    replay = as_one(shapes, set(group.paths))
    return f"give {names(group)} one dtype ({dtype}) where it is made{_left(replay, group, stats)}"


def _weak(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    replay = as_one(shapes, set(group.paths))
    made = listed(dict.fromkeys(f"jnp.{_long(path.after)}(...)" for path in group.paths.values()))
    return (
        f"give {names(group)} a dtype where it is first made, as {made}"
        f"{_left(replay, group, stats)}"
    )


def _long(text: str) -> str:
    """``f32[3] weak`` as ``float32``."""
    short = text.removesuffix(" weak").partition("[")[0]
    letters = {"f": "float", "i": "int", "u": "uint", "c": "complex"}
    return letters.get(short[:1], "") + short[1:] if short[1:].isdigit() else short


def _structure(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    texts = {t for path in group.paths.values() for t in path.values}
    if "None" in texts:
        return (
            f"always pass an array as {names(group)} (zeros where there is nothing), "
            "or call two functions"
        )
    if "absent" in texts:
        return f"always pass the same entries: {names(group)} too, filled where it has no value"
    if any("OrderedDict" in text for text in texts):
        return f"always put the entries of {names(group)} in the same order, or use a dict"
    if not texts & {"dict", "list", "tuple"}:
        return f"always pass the same kind of thing as {names(group)}, or jit one function a kind"
    return f"always build {names(group)} as the same type of container"


def _kinds(group: Group) -> set[str]:
    return {kind for path in group.paths.values() for kind in path.types}


def _metadata(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    if group.last is not None and group.last.detail.get("identity"):
        return _static_identity(group, stats, shapes)
    if not _kinds(group) <= {"int", "float", "complex"}:
        return f"make {names(group)} once and keep it, so that it is the same at every call"
    left = ""
    if _kinds(group) == {"float"} and stats.via == "filter_jit":
        replay = as_one(shapes, set(group.paths))
        left = _left(replay, group, stats)
    if stats.via == "filter_jit":
        return (
            f"pass {names(group)} as an array (jnp.asarray): as an argument of its own, or as the "
            f"field that it is if filter_grad may differentiate it{left}"
        )
    return (
        f"hold {names(group)} as an array (jnp.asarray) so that it is an input, or keep it "
        f"constant where Python needs its value{left}"
    )


def _static_value(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    replay = as_one(shapes, set(group.paths))
    left = _left(replay, group, stats)
    if stats.traced is not None:
        return (
            f"run the loop inside one jit with {names(group)} as an argument, "
            f"as lax.fori_loop allows{left}"
        )
    numbers = _kinds(group) <= {"int", "float", "complex"}
    fields = {
        field for path in group.paths.values() for field in differing_fields(list(path.values))
    }
    if not numbers and not fields:
        return f"pass as few different values of {names(group)} as the program needs"
    what = f"{listed(sorted(fields))} of {names(group)}" if fields else names(group)
    return (
        f"pass {what} as an ordinary argument, not static (where Python branches or loops on it, "
        "use jnp.where, lax.cond or lax.fori_loop; where a shape depends on it, round it up to one "
        f"of a few sizes){left}"
    )


def _static_identity(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    if any("nan" in path.values for path in group.paths.values()):
        return f"NaN equals nothing, itself included: pass None or a flag as {names(group)}"
    text = f"make {names(group)} once, outside the loop, and pass that object each time"
    after = next((path.after for path in group.paths.values()), "")
    if "<function" in after or after.startswith("partial("):
        return text
    return f"{text}; or give its class __eq__ and __hash__ by value"


def _call(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    return f"pass {names(group)} in the same way at every call: {stats.name} is keyed on it"


def _where(stats: FunctionStats) -> str:
    return f"{stats.name} ({_base(stats.file)}:{stats.line})"


def _base(file: str) -> str:
    return file.replace("\\", "/").rsplit("/", 1)[-1]


def _redefined(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    how = group.details.most_common(1)[0][0] if group.details else "function"
    if how == "method":
        return (
            f"jit {stats.name} once and keep the result: a bound method is a new function "
            "each time it is looked up"
        )
    if how in ("lambda", "partial", "object"):
        return (
            f"make the {how} and its jax.jit once, outside the loop, and call that; "
            "what changes from call to call becomes an argument"
        )
    return (
        f"define and jit {_where(stats)} once, outside the function that is called again and again"
    )


def _closure(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    return f"pass {names(group)} as an argument of {stats.name}, and jit that once"


def _rewrap(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    return f"transform {stats.name} and jit the result once, outside the loop, and call that"


def _control(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    site = group.sites.most_common(1)[0][0][2] if group.sites else ""
    function = site.rpartition(".")[2]
    put = (
        f"put @jax.jit on {function}"
        if function and not function.startswith("<")
        else f"call {stats.name} inside a jitted function"
    )
    example = group.example
    if example is not None and example.function.wrappers:  # lax.map wraps any body anew
        return put
    return f"{put}, or define the body once at module level"


def _placement(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    path = next(iter(group.paths.values()), None)
    if path is not None and "uncommitted" in (path.before, path.after):
        return f"jax.device_put {names(group)} before the first call, as for the later ones"
    texts = " ".join(f"{p.before} {p.after}" for p in group.paths.values())
    what = "memory layout" if "layout" in texts else "memory kind" if "memory" in texts else ""
    if what:
        return f"give {names(group)} one {what} before the first call, and keep it"
    return f"give {names(group)} one sharding before the first call, and keep it (out_shardings=)"


def _aot(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    changes = set(group.details)
    if changes == {"weak-type"}:
        return (
            f"lower {stats.name} with the Python number itself as {names(group)}, or pass an array"
        )
    sharding = ", sharding=..." if "sharding-or-device" in changes else ""
    return (
        f"lower {stats.name} for what the call passes: jax.ShapeDtypeStruct(shape, dtype"
        f"{sharding}) for {names(group) or 'its arguments'}"
    )


def _config(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    name = group.details.most_common(1)[0][0] if group.details else "it"
    return (
        f"set {name} once, before the first call and in every thread, "
        f"or around all calls of {stats.name}"
    )


def _options(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    return f"keep one jitted {stats.name} with one set of options, and call that everywhere"


def _eager(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    return "do it in NumPy, or pad to one shape and put it inside one jit"


def _cleared(group: Group, stats: FunctionStats, shapes: Sequence[Leaves]) -> str:
    return (
        f"clear caches only where {stats.name} is not needed again; if nothing clears them, "
        "compile fewer variants"
    )


_FIXES = {
    "shape-change": _shape,
    "dtype-change": _dtype,
    "weak-type": _weak,
    "pytree-structure": _structure,
    "static-metadata": _metadata,
    "static-arg-value": _static_value,
    "static-arg-identity": _static_identity,
    "call-signature": _call,
    "function-redefined": _redefined,
    "closure-constant": _closure,
    "transform-rewrap": _rewrap,
    "control-flow-closure": _control,
    "sharding-or-device": _placement,
    "aot-mismatch": _aot,
    "config-context": _config,
    "jit-options": _options,
    "eager-op-shapes": _eager,
    "cache-cleared": _cleared,
}
