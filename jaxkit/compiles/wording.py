"""A group of recompilations in one sentence. Never imports JAX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from jaxkit.compiles.groups import MAX_VALUES, Group, Path


def listed(items: Iterable[str], limit: int = 4) -> str:
    """``a, b and c``, cut after `limit` items."""
    found = list(items)
    if len(found) > limit:
        return f"{', '.join(found[: limit - 1])} and {len(found) - limit + 1} more"
    if len(found) < 2:
        return "".join(found)
    return f"{', '.join(found[:-1])} and {found[-1]}"


def counted(number: int, noun: str) -> str:
    """``1 compilation``, ``2 compilations``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def seconds(value: float) -> str:
    """``3.2 s``, ``45 ms``, ``2 min 5 s``."""
    if value < 0.0995:
        return f"{value * 1000:.0f} ms"
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def sentence(group: Group) -> str:
    """What happened, with the path and what it was before and after."""
    text = _SENTENCES.get(group.kind, _other)(group)
    others = [f"{kind} ({count})" for kind, count in group.others.most_common(3)]
    return f"{text}; at the same time {listed(others)}" if others else text


def sizes_text(sizes: Iterable[int]) -> str:
    """``2 sizes (32 and 4)``, ``23 values, 17 to 64``."""
    found = sorted(sizes)
    if len(found) <= 6:
        return f"{len(found)} sizes ({', '.join(map(str, reversed(found)))})"
    return f"{_many(len(found))} sizes, {found[0]} to {found[-1]}"


def _many(number: int) -> str:
    return f"{number} or more" if number >= MAX_VALUES else str(number)


def names(group: Group) -> str:
    """The paths that changed."""
    return listed(group.paths)


def alike(paths: Iterable[Path]) -> list[list[Path]]:
    """Paths that went through the same sizes on the same axes, together."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        key = repr(sorted((axis, sorted(sizes)) for axis, sizes in path.axes.items()))
        found.setdefault(key if path.axes and not path.ranks else path.path, []).append(path)
    return list(found.values())


def _shape(group: Group) -> str:
    by_design = ": one program a bucket, by design" if group.buckets else ""
    return _shapes(group) + by_design


def _shapes(group: Group) -> str:
    together = _aligned(group)
    if together is not None:
        return f"{names(group)} changed shape: {_axes(together)}"
    clauses = [
        f"{listed(path.path for path in paths)} changed shape: {_shape_change(paths[0])}"
        for paths in alike(group.paths.values())
    ]
    return "; ".join(clauses[:3]) + ("; ..." if len(clauses) > 3 else "")


def _aligned(group: Group) -> dict[int, set[int]] | None:
    """The sizes by axis where no axis took sizes in one path that it did not take in another."""
    axes: dict[int, set[int]] = {}
    for path in group.paths.values():
        if path.ranks or not path.axes:
            return None
        for axis, sizes in path.axes.items():
            if axes.setdefault(axis, sizes) != sizes:
                return None
    return axes


def _axes(axes: Mapping[int, set[int]]) -> str:
    return ", ".join(
        f"axis {axis} took {sizes_text(sizes)}" for axis, sizes in sorted(axes.items())
    )


def _shape_change(path: Path) -> str:
    if path.axes and not path.ranks:
        return _axes(path.axes)
    return f"{path.before} -> {path.after}"


def _values(path: Path, limit: int = 3) -> str:
    values = list(path.values)
    if len(values) == 1:
        return f"a new {values[0]} each time"
    if len(values) <= 6 and sum(map(len, values)) <= 30:
        return ", then ".join(values)
    fields = differing_fields(values)
    if fields:
        inside = ", ".join(f"{name} {_series(found, limit)}" for name, found in fields.items())
        return f"{_many(len(values))} values that differ in {inside}"
    if len(values) > limit:
        return f"{_many(len(values))} values, {_series(values, limit)}"
    return ", then ".join(values)


def _series(values: Sequence[str], limit: int) -> str:
    """``0, 1, ... 5``."""
    if len(values) > limit:
        return f"{values[0]}, {values[1]}, ... {values[-1]}"
    return ", ".join(values)


_FIELD = re.compile(r"(?:^[\w.]+\(|, )(\w+)=")


def differing_fields(values: Sequence[str]) -> dict[str, list[str]]:
    """Of texts such as ``Config(rate=0.1, width=64)``, the fields that are not all equal.

    Returns:
      the field's values by its name; empty where the texts are not all of that form.
    """
    if len(values) < 2:
        return {}
    found: dict[str, dict[str, None]] = {}
    for text in values:
        parts = _FIELD.split(text.removesuffix(")"))
        if len(parts) < 3 or parts[0] or text.endswith("..."):
            return {}
        for name, value in zip(parts[1::2], parts[2::2], strict=True):
            found.setdefault(name, {})[value] = None
    return {name: list(given) for name, given in found.items() if len(given) > 1}


def _each(group: Group, verb: str) -> str:
    return listed(f"{path.path} {verb} {_values(path)}" for path in group.paths.values())


def _dtype(group: Group) -> str:
    return f"dtype changed: {_each(group, 'was')}"


def _weak(group: Group) -> str:
    parts = [
        f"{p.path} was {_weakness(p.before)}, then {_weakness(p.after)}"
        for p in group.paths.values()
    ]
    return listed(parts)


def _weakness(text: str) -> str:
    plain = text.removesuffix(" weak")
    return f"weakly typed {plain} (as Python numbers are)" if text.endswith(" weak") else plain


def _structure(group: Group) -> str:
    return f"the pytree changed: {_each(group, 'was')}"


def _metadata(group: Group) -> str:
    if group.last is not None and group.last.detail.get("identity"):
        return _static_identity(group)
    return f"{_each(group, 'took')}; it is static, part of the program and not of its input"


def _static_value(group: Group) -> str:
    return f"static argument {_each(group, 'took')}"


def _static_identity(group: Group) -> str:
    verb = "means" if len(group.paths) == 1 else "mean"
    text = next((path.after for path in group.paths.values()), "a new object")
    return f"static {names(group)} {verb} the same each time but not to ==: a new {text}"


_PASSED = {
    "positional": "by position",
    "keyword": "by keyword",
    "omitted": "not at all",
    "omitted, None": "not at all",
}


def _call(group: Group) -> str:
    parts = [
        f"{path.path} was passed {_passed(path.before)}, then {_passed(path.after)}"
        for path in group.paths.values()
    ]
    return listed(parts)


def _passed(how: str) -> str:
    return _PASSED.get(how.removeprefix("static "), how)


def _redefined(group: Group) -> str:
    how = group.details.most_common(1)[0][0] if group.details else "function"
    what = {
        "lambda": "a new lambda",
        "partial": "a new functools.partial",
        "method": "a new bound method",
        "object": "a new callable object",
        "decorator": "a newly decorated function",
    }.get(how, "a new function object")
    return f"jit was given {what} of the same source each time"


def _closure(group: Group) -> str:
    if group.by_design == group.recompiles:
        return f"made once for each value of captured {names(group)}, and kept: by design"
    parts = [
        f"{path.path} (another {path.after} each time)"
        if len(path.values) == 1
        else f"{path.path} ({_values(path)})"
        for path in group.paths.values()
    ]
    return f"a new function for each value of the captured {listed(parts)}"


def _rewrap(group: Group) -> str:
    name = group.details.most_common(1)[0][0] if group.details else "transform"
    return f"jax.{name}(...) was made anew or left outside jit, so that each call is a new function"


def _control(group: Group) -> str:
    body = group.details.most_common(1)[0][0] if group.details else "its body"
    return f"called outside jit with a new {body} each time"


def _placement(group: Group) -> str:
    if group.by_design == group.recompiles:
        return f"{names(group)} came on another device: one program a device, by design"
    parts = [f"{p.path} was {p.before}, then {p.after}" for p in group.paths.values()]
    return f"the same program for another placement: {listed(parts, 3)}"


def _aot(group: Group) -> str:
    parts = [f"{p.path or 'it'}: {p.before}, called with {p.after}" for p in group.paths.values()]
    return f"compiled ahead of time for something else than the call: {listed(parts, 3)}"


def _config(group: Group) -> str:
    name = group.details.most_common(1)[0][0] if group.details else "a config value"
    last = group.last
    change = f" ({last.before} -> {last.after})" if last is not None else ""
    return f"{name} differs{change}, which is part of JAX's cache key"


def _options(group: Group) -> str:
    name = group.details.most_common(1)[0][0] if group.details else "options"
    last = group.last
    change = f" ({last.before} -> {last.after})" if last is not None else ""
    return f"the same function jitted with other options: {name}{change}"


def _eager(group: Group) -> str:
    axes: dict[int, set[int]] = {}
    for path in group.paths.values():
        for axis, sizes in path.axes.items():
            axes.setdefault(axis, set()).update(sizes)
    programs = group.recompiles + 1
    if len(axes) == 1:
        axis, sizes = next(iter(axes.items()))
        if len(sizes) >= programs:
            return f"ran op by op, a small program a size: axis {axis} took {sizes_text(sizes)}"
    return f"ran op by op, a small program for each of {programs} shapes or parameters"


def _cleared(group: Group) -> str:
    return (
        "an equal call had been compiled before, and JAX had dropped it "
        "(jax.clear_caches, clear_cache, or a full cache)"
    )


def _other(group: Group) -> str:
    return "compiled again for a reason that could not be read"


_SENTENCES = {
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
