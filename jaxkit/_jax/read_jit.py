"""`jax.jit`: which call an event belongs to, and with which arguments and options.

Read on JAX 0.10.2 and 0.12.0.1 (``jax/_src/pjit.py``). ``cache_miss`` and ``jit_trace`` hold the
function, the real arguments and ``jit_info``. A compilation that JAX starts for another program
of the function (under vmap or grad) goes through ``_pjit_call_impl``; its own frame then has the
operands, and the function's ``cache_miss`` may stand further out, or not at all (backward pass).
"""

from __future__ import annotations

import zlib
from typing import Any

from jaxkit._jax.call import Anchor, Call, local
from jaxkit._jax.stack import Entry, Stack

_ROLES = {"role_vmap": "vmap", "role_jvp": "jvp", "role_transpose": "transpose"}


def plain_name(fun_name: str) -> str:
    """``jit(f)`` as ``f``: lowering and compile events wrap the name, trace events do not."""
    if fun_name.endswith(")") and "(" in fun_name:
        head, _, rest = fun_name.partition("(")
        if head in ("jit", "pjit", "pmap"):
            return rest[:-1]
    return fun_name


def find_anchor(stage: str, fun_name: str, stack: Stack) -> Anchor | None:
    """The jit-level call an event belongs to, or None where no known frame explains it."""
    name = plain_name(fun_name)
    entries = stack.entries
    for index, entry in enumerate(entries):
        if entry.tag in ("cache_miss", "jit_trace"):
            return _from_call(name, entries, index) if stage == "trace" else None
        if entry.tag == "call_impl":
            return _from_impl(name, entries, index)
        if entry.tag in ("aot_compile", "aot_lower"):
            return _from_aot(name, entries, index)
    return None


def _from_call(name: str, entries: list[Entry], index: int) -> Anchor:
    """The event is directly below a jitted call, or below ``.trace`` or ``.lower``."""
    tag, frame = entries[index]
    if tag == "cache_miss":
        fun, info, via = local(frame, "fun"), local(frame, "jit_info"), "jit"
        key = (id(frame), "call")
    else:
        wrapped = local(frame, "jit_func")
        fun, info = getattr(wrapped, "_fun", wrapped), getattr(wrapped, "_jit_info", None)
        via = "aot"
        key = (id(frame), "trace")
        if index + 1 < len(entries) and entries[index + 1].tag == "jit_lower":
            index += 1
            key = (id(entries[index].frame), "lower")
    return Anchor(
        key=key,
        name=name,
        fun=fun,
        args=tuple(local(frame, "args", ())),
        kwargs=dict(local(frame, "kwargs", {})),
        info=info,
        outer=entries[index + 1 :],
        via=via,
    )


def _from_impl(name: str, entries: list[Entry], index: int) -> Anchor | None:
    """Lowering or compilation below ``_pjit_call_impl_python``."""
    frame = entries[index].frame
    following = [entry.tag for entry in entries[index + 1 : index + 3]]
    if following[:2] == ["run_direct", "cache_miss"]:
        return _from_call(name, entries, index + 2)
    jaxpr = local(frame, "jaxpr")
    anchor = Anchor(
        key=(id(frame), "impl"),
        name=name,
        operands=tuple(local(frame, "args", ())),
        debug=getattr(getattr(jaxpr, "jaxpr", jaxpr), "debug_info", None),
    )
    roles: list[str] = []
    for position in range(index + 1, len(entries)):
        tag, outer = entries[position]
        if tag in _ROLES and (not roles or roles[-1] != _ROLES[tag]):
            roles.append(_ROLES[tag])
        if tag == "cache_miss" and _called(local(outer, "fun")) == name:
            found = _from_call(name, entries, position)
            anchor.fun, anchor.info, anchor.outer = found.fun, found.info, found.outer
            anchor.args, anchor.kwargs = found.args, found.kwargs
            break
    else:
        anchor.outer = entries[index + 1 :]
    anchor.role = f"{'/'.join(roles)} {_program_shape(jaxpr)}".strip() if jaxpr is not None else ""
    return anchor


def _program_shape(jaxpr: Any) -> str:
    """What tells a derived program from the others of its function, whatever its array shapes."""
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    try:
        names = " ".join(str(eqn.primitive.name) for eqn in inner.eqns[:200])
        counts = f"{len(inner.invars)}>{len(inner.outvars)}:{len(inner.eqns)}"
    except AttributeError:
        return ""
    return f"{counts}:{zlib.crc32(names.encode()):08x}"


def _from_aot(name: str, entries: list[Entry], index: int) -> Anchor | None:
    """``.lower`` and ``.compile``: the pair is held together by the lowering's argument record."""
    tag, frame = entries[index]
    stage = local(frame, "self")
    if tag == "aot_lower":
        record = next(
            (local(e.frame, "all_args_info") for e in entries if e.tag == "lowering"), None
        )
        if index + 1 < len(entries) and entries[index + 1].tag == "jit_lower":
            outer = entries[index + 1].frame
            wrapped = local(outer, "jit_func")
            anchor = Anchor(
                key=(id(outer), "lower"),
                name=name,
                fun=getattr(wrapped, "_fun", wrapped),
                args=tuple(local(outer, "args", ())),
                kwargs=dict(local(outer, "kwargs", {})),
                info=getattr(wrapped, "_jit_info", None),
                outer=entries[index + 2 :],
                via="aot",
            )
        else:
            anchor = Anchor(
                key=(id(frame), "lower"), name=name, via="aot", outer=entries[index + 1 :]
            )
    else:
        lowering = getattr(stage, "_lowering", None)
        record = getattr(lowering, "compile_args", {}).get("all_args_info")
        anchor = Anchor(
            key=(id(frame), "compile"), name=name, via="aot", outer=entries[index + 1 :]
        )
    if record is not None:
        anchor.aot_key = id(record)
        anchor.debug = getattr(record, "debug_info", None)
        if anchor.fun is None:
            anchor.operands = tuple(getattr(record, "in_avals", ()))
    return anchor


def _called(fun: Any) -> str:
    """The name JAX gives the function, read as JAX does (partials are looked through)."""
    while hasattr(fun, "func") and hasattr(fun, "keywords"):
        fun = fun.func
    return getattr(fun, "__name__", None) or "<unnamed function>"


def options(info: Any) -> dict[str, Any]:
    """What was given to `jax.jit` besides the function, defaults left out, as plain data."""
    found: dict[str, Any] = {}
    for name in ("donate_argnums", "donate_argnames", "static_argnums", "static_argnames"):
        value = getattr(info, name, None)
        if value:
            found[name] = [value] if isinstance(value, (str, int)) else list(value)
    for name in ("keep_unused", "backend", "device"):
        value = getattr(info, name, None)
        if value:
            found[name] = value if isinstance(value, bool) else str(value)[:100]
    inline = getattr(info, "inline", None)
    if inline and "AUTO" not in str(inline):
        found["inline"] = str(inline)[:40]
    for name in ("in_shardings", "out_shardings", "in_layouts", "out_layouts"):
        leaves = getattr(info, f"{name}_leaves", None) or ()
        texts = [str(leaf)[:120] for leaf in leaves[:16]]
        if any("Unspecified" not in text and text != "None" for text in texts):
            found[name] = texts
    compiler = getattr(info, "compiler_options_kvs", None)
    if compiler:
        found["compiler_options"] = {str(k): str(v)[:60] for k, v in compiler}
    return found


def argnums(info: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """static_argnums and static_argnames as resolved by `jax.jit`."""
    numbers = getattr(info, "static_argnums", None) or ()
    names = getattr(info, "static_argnames", None) or ()
    numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)
    names = (names,) if isinstance(names, str) else tuple(names)
    return numbers, names


def read(anchor: Anchor) -> Call | None:
    """The plain reader, last in the list: the call as `jax.jit` itself saw it."""
    numbers, names = argnums(anchor.info)
    call = Call(
        via=anchor.via,
        fun=anchor.fun,
        args=anchor.args,
        kwargs=anchor.kwargs,
        signature=getattr(anchor.info, "fun_signature", None),
        static_argnums=numbers,
        static_argnames=names,
        options=options(anchor.info) if anchor.info is not None else {},
    )
    if anchor.fun is None:
        call.source = source_of(anchor.debug, anchor.name)
        if call.source is None:
            return None
    return call


def source_of(debug: Any, name: str) -> tuple[str, str, int] | None:
    """(name, file, line) from a jaxpr's debug_info, whose text is ``f at /path/file.py:12``."""
    text = getattr(debug, "func_src_info", None)
    if not isinstance(text, str):
        return None
    function, _, place = text.rpartition(" at ")
    file, _, line = place.rpartition(":")
    if not file or not line.isdigit():
        return (name, "", 0) if function or text else None
    return function or name, file, int(line)


def operand_names(debug: Any, count: int) -> list[str] | None:
    """Names of a jaxpr's inputs as JAX knows them (``batch['x']``), if it knows that many."""
    names = getattr(debug, "arg_names", None)
    if names is None or len(names) != count:
        return None
    return [str(name) for name in names]
