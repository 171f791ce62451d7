"""What differs between two signatures, path by path. Pure data; never imports JAX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxkit.compiles.event import Cause, Signature
from jaxkit.compiles.leaf import Leaf

_TYPE_KINDS = ("array", "python")
_FEW = 8


def leaf_text(leaf: Leaf) -> str:
    """A leaf in a few words: ``f32[3]``, ``f32[] weak``, ``None``, the static's repr."""
    if leaf.kind == "none":
        return "None"
    if leaf.kind == "static":
        return leaf.static.repr if leaf.static else "static"
    return f"{leaf.type} weak" if leaf.weak_type else leaf.type


def placement_text(leaf: Leaf) -> str:
    """Where a leaf is: ``uncommitted`` or its sharding."""
    if not leaf.committed:
        return "uncommitted"
    return f"committed to {leaf.sharding}"


def split_type(text: str) -> tuple[str, tuple[str, ...]]:
    """``f32[32,17]`` as ``("f32", ("32", "17"))``."""
    dtype, _, rest = text.rpartition("[")
    inner = rest.rstrip("]")
    return dtype, tuple(inner.split(",")) if inner else ()


def same_leaf(new: Leaf, old: Leaf) -> bool:
    """Whether JAX's keys do not tell the two apart; a Python number and a weak array are one."""
    if new is old:
        return True
    if new.kind in _TYPE_KINDS and old.kind in _TYPE_KINDS:
        return (new.type, new.weak_type, new.committed, new.sharding) == (
            old.type,
            old.weak_type,
            old.committed,
            old.sharding,
        )
    return new.kind == old.kind and new.static == old.static


def differing(new: Sequence[Leaf], old: Sequence[Leaf]) -> list[tuple[Leaf, Leaf]]:
    """Leaf by leaf, the pairs that are not equal.

    Most are one object, leaves being interned, and are passed over by halves: large signatures
    are compared with many others while the program waits.
    """
    found: list[tuple[Leaf, Leaf]] = []
    spans = [(0, len(new))]
    while spans:
        begin, end = spans.pop()
        if new[begin:end] == old[begin:end]:
            continue
        if end - begin <= _FEW:
            pairs = zip(new[begin:end], old[begin:end], strict=True)
            found.extend((a, b) for a, b in pairs if a is not b and a != b)
        else:
            middle = (begin + end) // 2
            spans += [(middle, end), (begin, middle)]
    return found


def changes(new: Signature, old: Signature) -> list[Cause]:
    """The causes that lie in the arguments, one a path, in the order of the arguments."""
    if new.leaves == old.leaves and new.nodes == old.nodes and new.passing == old.passing:
        return []
    causes = _passing(new, old)
    told = [cause.path for cause in causes if cause.path]
    declared = {name for name, how in (*new.passing, *old.passing) if how.startswith("static")}
    pairs: list[tuple[Leaf, Leaf]] | None = None
    if new.nodes == old.nodes and len(new.leaves) == len(old.leaves):
        pairs = differing(new.leaves, old.leaves)
    if pairs is None or any(a.path != b.path for a, b in pairs):
        found, pairs = _structure(new, old, told)
        causes.extend(found)
    for after, before in pairs:
        if after is not before and not _under(after.path, told):
            causes.extend(_leaf(after, before, declared))
    return causes


def _passing(new: Signature, old: Signature) -> list[Cause]:
    """Parameters that came positionally and now by keyword, or were omitted."""
    before, after = dict(old.passing), dict(new.passing)
    causes: list[Cause] = []
    for name in before.keys() & after.keys():
        was, now = before[name], after[name]
        if was == now:
            continue
        if "None" in was or "None" in now:  # an omitted None against something: another tree
            given = new if "None" in was else old
            if _is_none(given, name):
                causes.append(Cause("call-signature", name, was, now))
            else:
                causes.append(
                    Cause("pytree-structure", name, _value(old, name, was), _value(new, name, now))
                )
        else:
            causes.append(Cause("call-signature", name, was, now))
    order = {name: index for index, (name, _) in enumerate((*new.passing, *old.passing))}
    return sorted(causes, key=lambda cause: order.get(cause.path or "", 0))


def _is_none(signature: Signature, name: str) -> bool:
    return any(leaf.path == name and leaf.kind == "none" for leaf in signature.leaves)


def _value(signature: Signature, name: str, how: str) -> str:
    for leaf in signature.leaves:
        if leaf.path == name:
            return leaf_text(leaf)
    return "None" if "None" in how else how


def _under(path: str, roots: Iterable[str]) -> bool:
    """Whether `path` is one of `roots` or lies inside one."""
    return any(
        path == root or (path.startswith(root) and path[len(root) : len(root) + 1] in (".", "["))
        for root in roots
    )


def _structure(
    new: Signature, old: Signature, told: list[str]
) -> tuple[list[Cause], list[tuple[Leaf, Leaf]]]:
    """Where the trees part, and the pairs of leaves that still correspond."""
    after = _items(new)
    before = _items(old)
    causes: list[Cause] = []
    pairs: list[tuple[Leaf, Leaf]] = []
    for path in dict.fromkeys((*after, *before)):
        if _under(path, told):
            continue
        now, was = after.get(path), before.get(path)
        if isinstance(now, Leaf) and isinstance(was, Leaf) and _comparable(now, was):
            pairs.append((now, was))
        elif now != was:
            told.append(path)
            causes.append(Cause("pytree-structure", path, _item_text(was), _item_text(now)))
    return causes, pairs


def _items(signature: Signature) -> dict[str, Leaf | str]:
    """Containers and leaves by path, containers before what they hold."""
    items: dict[str, Leaf | str] = dict(signature.nodes)
    for leaf in signature.leaves:
        items.setdefault(leaf.path, leaf)
    return items


def _comparable(now: Leaf, was: Leaf) -> bool:
    return "none" not in (now.kind, was.kind) or now.kind == was.kind


def _item_text(item: Leaf | str | None) -> str:
    if item is None:
        return "absent"
    return leaf_text(item) if isinstance(item, Leaf) else item


def _leaf(new: Leaf, old: Leaf, declared: set[str]) -> list[Cause]:
    if same_leaf(new, old):
        return []
    texts = (new.path, leaf_text(old), leaf_text(new))
    if "none" in (new.kind, old.kind):
        return [Cause("pytree-structure", *texts)]
    if "static" in (new.kind, old.kind):
        return [_static(new, old, declared, texts)]
    causes: list[Cause] = []
    if new.type != old.type:
        causes.extend(_types(new, old, texts))
    elif new.weak_type != old.weak_type:
        causes.append(Cause("weak-type", *texts))
    if not causes and (new.committed, new.sharding) != (old.committed, old.sharding):
        causes.append(
            Cause("sharding-or-device", new.path, placement_text(old), placement_text(new))
        )
    return causes


def _types(new: Leaf, old: Leaf, texts: tuple[str, str, str]) -> list[Cause]:
    now_dtype, now = split_type(new.type)
    was_dtype, was = split_type(old.type)
    if now_dtype != was_dtype and (now == was or "key<" in (now_dtype + was_dtype)):
        return [Cause("dtype-change", *texts)]
    if len(now) != len(was):
        detail: dict[str, object] = {"rank": [len(was), len(now)]}
    else:
        detail = {"axes": [i for i, (a, b) in enumerate(zip(now, was, strict=True)) if a != b]}
        if len(detail["axes"]) == 1:  # pyright: ignore[reportArgumentType]
            detail = {"axis": detail["axes"][0]}  # pyright: ignore[reportIndexIssue]
    causes = [Cause("shape-change", *texts, detail)]
    if now_dtype != was_dtype:
        causes.append(Cause("dtype-change", *texts))
    return causes


def _static(new: Leaf, old: Leaf, declared: set[str], texts: tuple[str, str, str]) -> Cause:
    same = new.static and old.static and new.static.meaning == old.static.meaning
    if new.static and same and new.type == "metadata":
        return Cause("static-metadata", *texts, {"type": new.static.type, "identity": True})
    if new.static and same:
        return Cause("static-arg-identity", *texts, {"type": new.static.type})
    kind = "static-arg-value" if new.path in declared else "static-metadata"
    types = sorted({leaf.static.type if leaf.static else "array" for leaf in (new, old)})
    return Cause(kind, *texts, {"type": ", ".join(types)})
