"""From live arguments to a `Signature`: names, types, placements and statics, never values."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import jax

from jaxkit._jax.call import Anchor, Call
from jaxkit._jax.read_jit import operand_names
from jaxkit._jax.values import array_facts
from jaxkit.compiles.event import Signature, intern_rows
from jaxkit.compiles.leaf import Leaf, intern
from jaxkit.compiles.walk import Walk

_EMPTY = inspect.Parameter.empty


def bind(
    signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[list[str], dict[str, str], list[tuple[str, Any]]]:
    """Names for the arguments in the function's own words.

    Returns:
      names of the positional arguments, names of the keyword arguments by keyword, and the
      parameters that were omitted with their defaults.
    """
    if signature is None:
        return [f"args[{i}]" for i in range(len(args))], {k: str(k) for k in kwargs}, []
    positional: list[str] = []
    rest = keywords = None
    defaults: dict[str, Any] = {}
    named: set[str] = set()
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = name
        elif parameter.kind is parameter.VAR_KEYWORD:
            keywords = name
        else:
            named.add(name)
            if parameter.kind is not parameter.KEYWORD_ONLY:
                positional.append(name)
            if parameter.default is not _EMPTY:
                defaults[name] = parameter.default
    names = positional[: len(args)]
    for index in range(len(names), len(args)):
        extra = index - len(positional)
        names.append(f"*{rest}[{extra}]" if rest else f"args[{index}]")
    words = {key: key if key in named else f"**{keywords or 'kwargs'}[{key!r}]" for key in kwargs}
    given = {*names, *kwargs}
    omitted = [(name, default) for name, default in defaults.items() if name not in given]
    return names, words, omitted


def build(call: Call, anchor: Anchor, *, layouts: bool = False) -> Signature:
    """The `Signature` of a call.

    Args:
      call: the call, with its live arguments.
      anchor: what it was read from.
      layouts: whether memory layouts are read as well.
    """
    walk = Walk(call.leaf_rule, layouts=layouts)
    passing: list[tuple[str, str]] = []
    signature = call.signature
    if signature is None and call.fun is not None and not call.eager:
        try:
            signature = inspect.signature(call.fun)
        except (TypeError, ValueError):
            signature = None
    names, words, omitted = bind(signature, call.args, call.kwargs)
    statics = {names[i] for i in _positions(call.static_argnums, len(names))}
    statics |= {words[k] for k in call.static_argnames if k in words}
    statics |= {name for name in names if name in call.static_argnames}
    if call.leaf_rule == "filter":
        holder = getattr(call.fun, "__self__", call.fun)
        if is_pytree(holder):  # a module, or a module's method: its leaves are arguments too
            walk.argument(holder, "self")
    for name, value in zip(names, call.args, strict=True):
        passing.append(_place(walk, name, value, name in statics, "positional"))
    for key, value in call.kwargs.items():
        name = words[key]
        passing.append(_place(walk, name, value, name in statics, "keyword"))
    passing.extend(
        (name, "omitted, None" if value is None else "omitted") for name, value in omitted
    )
    for name, value in call.statics.items():
        passing.append(_place(walk, name, value, True, "positional"))
    for name, value in call.extra:
        passing.append(_place(walk, name, value, False, "positional"))
    leaves = walk.leaves
    if anchor.operands is not None and call.via != "shard_map":
        leaves = _operands(anchor, leaves)
    nodes, passed = intern_rows(tuple(walk.nodes)), intern_rows(tuple(passing))
    return Signature(tuple(leaves), nodes, passed, walk.complete)


def is_pytree(value: Any) -> bool:
    """Whether JAX sees a container in it, and not a leaf."""
    return not jax.tree_util.all_leaves([value])


def _positions(numbers: Iterable[int], count: int) -> list[int]:
    return [n % count if n < 0 else n for n in numbers if -count <= n < count]


def _place(walk: Walk, name: str, value: Any, static: bool, how: str) -> tuple[str, str]:
    if static:
        walk.static(value, name)
        return name, f"static {how}"
    walk.argument(value, name)
    return name, how


def _operands(anchor: Anchor, leaves: list[Leaf]) -> list[Leaf]:
    """The leaves with the types of the operands that the program is really compiled for.

    Under vmap the arguments are tracers without the batch axis; the operands have it. A backward
    program has operands of its own, which the jaxpr may have names for.
    """
    operands = anchor.operands or ()
    dynamic = [leaf for leaf in leaves if leaf.kind in ("array", "python")]
    if dynamic and len(operands) >= len(dynamic) and "transpose" not in anchor.role:
        names = [leaf.path for leaf in dynamic]
        operands = operands[len(operands) - len(dynamic) :]
    else:
        names = operand_names(anchor.debug, len(operands)) or [
            f"operand[{i}]" for i in range(len(operands))
        ]
    found = [leaf for leaf in leaves if leaf.kind not in ("array", "python")]
    for name, operand in zip(names, operands, strict=True):
        facts = array_facts(operand)
        if facts is not None:
            found.append(intern(Leaf(name, *facts)))
    return found
