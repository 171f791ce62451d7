"""Conversions between dtypes that nobody asked for, or that undo each other."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Graph, Node, Value
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.report import Finding

# A number may have any dtype: arrays from so many elements on.
SMALLEST = 2
_LOW = frozenset({"bfloat16", "float16"})
_NARROW = frozenset({*_LOW, "float32", "complex64"})
_WIDE = frozenset({"float64", "complex128"})
_WIDER = frozenset({"float32", "float64"})
_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4, "float64": 8}
_INTEGERS = frozenset("int8 int16 int32 int64 uint8 uint16 uint32 uint64".split())
_MOVES = frozenset("reshape squeeze transpose broadcast_in_dim slice rev copy name".split())
_MIXING = frozenset(
    """add sub mul div max min pow atan2 rem select_n dot_general conv_general_dilated
    nextafter concatenate stack""".split()
)
_JOINS = frozenset({"concatenate", "stack"})
_PRODUCTS = frozenset({"dot_general", "conv_general_dilated"})
_FAR = 6  # equations that are looked ahead or back through


def f64_upcast(code: Code) -> Iterator[Finding]:
    """The first array of a narrower dtype that becomes float64 in a program that is given none.

    Args:
      code: the function.
    """
    graph = code.graph
    if any(value.dtype in _WIDE and value.size >= SMALLEST for value in graph.inputs):
        return
    wide_results = any(v.dtype in _WIDE and v.size >= SMALLEST for v in graph.outputs)
    for node in _live(graph):
        found = _widened(node, wide_results) or _mixed_product(node, _NARROW, _WIDE)
        if found is None:
            continue
        before, other = found
        after = node.outs[0].dtype
        because = "" if other is None else f", as {other} is"
        yield finding(
            "f64-upcast",
            node.where,
            f"{before} becomes {after}{because}: from here on everything takes twice the "
            "memory, and runs many times slower on a GPU",
            "make the other operand narrow where it is made, as in np.float32(...) or "
            "dtype=x.dtype, or use a Python number, which takes the array's dtype",
            {"before": before.dtype, "after": after, "elements": before.size},
        )
        return


def _widened(node: Node, wide_results: bool) -> tuple[Value, Value | None] | None:
    """What a conversion to float64 converts, and for what; None where it is meant."""
    if node.name != "convert_element_type":
        return None
    before, after, origin = node.ins[0], node.outs[0], node.origin
    if before.dtype not in _NARROW or after.dtype not in _WIDE or before.size < SMALLEST:
        return None
    on_purpose = origin.asked and not wide_results  # gone before the end
    if on_purpose or not (origin.asked or origin.mixed or origin.updated):
        return None
    return before, _other(node)[0]


def low_precision_upcast(code: Code) -> Iterator[Finding]:
    """Arrays in 16 bits that become float32 because something else on the line is.

    Args:
      code: the function.
    """
    graph = code.graph
    for node in _live(graph):
        product = _mixed_product(node, _LOW, frozenset({"float32"}))
        if product is not None:
            yield _upcast(node, product[0], node.outs[0].dtype, product[1])
    stated, meant = _of_wide_inputs(graph), _of_asked_conversions(graph)
    for node in _conversions(graph):
        before, after = node.ins[0], node.outs[0]
        if before.dtype not in _LOW or after.dtype not in _WIDER:
            continue
        if before.size < SMALLEST or not node.origin.mixed:
            continue
        other, user = _other(node)
        if other is None or id(other) in meant or _returns(after, before.dtype):
            continue
        if not _drags(other, after, stated, joined=user in _JOINS):
            continue
        yield _upcast(node, before, after.dtype, other)


def _upcast(node: Node, before: Value, after: str, other: Value) -> Finding:
    return finding(
        "low-precision-upcast",
        node.where,
        f"{before} becomes {after}, as {other} is: what follows takes twice the memory, and no "
        f"longer runs in {before.dtype}",
        f"convert the other operand, .astype(jnp.{before.dtype}), or use a Python number, which "
        "takes the array's dtype; where float32 is meant, write .astype(jnp.float32)",
        {"before": before.dtype, "after": after, "other": str(other)},
    )


def _mixed_product(
    node: Node, narrow: frozenset[str], wide: frozenset[str]
) -> tuple[Value, Value] | None:
    """The narrow and the wide operand of a product of both: no conversion is written down."""
    if node.name not in _PRODUCTS or not node.origin.mixed or node.outs[0].dtype not in wide:
        return None
    low = [each for each in node.ins[:2] if each.dtype in narrow and each.size >= SMALLEST]
    high = [each for each in node.ins[:2] if each.dtype in wide]
    return (low[0], high[0]) if low and high else None


def convert_roundtrip(code: Code) -> Iterator[Finding]:
    """Arrays that are converted and, with nothing done to them, converted back.

    Args:
      code: the function.
    """
    for node in _conversions(code.graph):
        first = _conversion_before(node)
        if first is None or not (node.origin.asked and first.origin.asked):
            continue
        start, middle, end = first.ins[0], first.outs[0].dtype, node.outs[0]
        if start.dtype != end.dtype or not _is_pointless(start.dtype, middle):
            continue
        if start.size < SMALLEST or _is_compared(end, start):
            continue
        loses = _BYTES.get(middle, 8) < _BYTES.get(start.dtype, 0) or start.dtype in _INTEGERS
        harm = "its last digits are lost" if loses else "nothing is gained"
        yield finding(
            "convert-roundtrip",
            node.where,
            f"{start} is converted to {middle} and straight back to {end.dtype}: {harm}, and the "
            "array is copied twice",
            "use the array as it was before both; to round on purpose, jax.lax.reduce_precision",
            {"dtype": start.dtype, "through": middle, "elements": start.size},
        )


def _live(graph: Graph) -> Iterator[Node]:
    """Equations of the function itself that a result needs."""
    live = graph.live()
    for node in graph.nodes:
        if id(node) in live and not node.backward and not node.again:
            yield node


def _conversions(graph: Graph) -> Iterator[Node]:
    return (node for node in _live(graph) if node.name == "convert_element_type")


def _other(node: Node) -> tuple[Value | None, str]:
    """The operand that an array has been converted for, and the equation that needs both."""
    value = node.outs[0]
    for _ in range(_FAR):
        if len(value.users) != 1:
            return None, ""
        user = value.users[0]
        if user.name in _MIXING:
            others = [each for each in user.ins if each is not value and each.dtype == value.dtype]
            wide = [each for each in others if not _was_converted(each)]
            return next(reversed(wide or others), None), user.name
        if user.name not in _MOVES:
            return None, ""
        value = user.outs[0]
    return None, ""


def _source(value: Value) -> Value:
    """Where it comes from, as it is, in another form only."""
    for _ in range(_FAR):
        node = value.node
        if node is None or node.name not in _MOVES:
            break
        value = node.ins[0]
    return value


def _was_converted(value: Value) -> bool:
    """Whether it was of another floating-point dtype, as the operand beside it."""
    made = _source(value).node
    return (
        made is not None
        and made.name == "convert_element_type"
        and made.ins[0].dtype in _NARROW
        and not made.origin.asked
    )


def _drags(other: Value, value: Value, stated: set[int], *, joined: bool) -> bool:
    """Whether an operand is wide by accident, or makes a product wide.

    An array in float32 that the function is given, as large as the one in 16 bits, is a state that
    is kept in float32 on purpose. Of arrays that are put one after the other, the sizes say little.
    """
    source = _source(other)
    made = source.node
    if made is not None and made.name == "convert_element_type":
        before = made.ins[0]
        if before.dtype in _LOW or (made.origin.asked and before.kind != "literal"):
            return False
    if any(user.name in _PRODUCTS for user in value.users):
        return id(source) in stated
    if joined and id(source) not in stated:
        return True
    return source.size < value.size or (source.size == value.size and id(source) not in stated)


def _of_wide_inputs(graph: Graph) -> set[int]:
    """Ids of the values that a float32 array among the inputs or a float32 carry has a part in."""
    found = {
        id(value)
        for value in (*graph.inputs, *graph.constants)
        if value.dtype in ("float32", "float64") and value.size >= SMALLEST
    }
    for node in graph.nodes:
        for region in node.regions:
            found.update(
                id(value)
                for value in region.inputs
                if value.kind in ("inner", "carry")
                or (value.outer is not None and id(value.outer) in found)
            )
        if any(id(value) in found for value in node.ins):
            found.update(id(value) for value in node.outs)
    return found


def _of_asked_conversions(graph: Graph) -> set[int]:
    """Ids of what is computed from an array in 16 bits that was made wide on purpose."""
    found: set[int] = set()
    for node in graph.nodes:
        asked = node.name == "convert_element_type" and node.origin.asked
        if (asked and node.ins[0].dtype in _LOW) or any(id(value) in found for value in node.ins):
            found.update(id(value) for value in node.outs)
    return found


def _returns(value: Value, dtype: str) -> bool:
    """Whether each way on leads straight back to the narrow dtype."""
    todo, steps = [value], 0
    while todo:
        steps += 1
        current = todo.pop()
        if steps > 4 * _FAR or not current.users:
            return False
        for user in current.users:
            if user.backward:
                continue
            if user.name == "convert_element_type" and user.outs[0].dtype == dtype:
                continue
            if user.name not in (_MIXING | _MOVES) - _PRODUCTS:
                return False
            todo.append(user.outs[0])
    return True


def _conversion_before(node: Node) -> Node | None:
    value = node.ins[0]
    for _ in range(_FAR):
        before = value.node
        if before is None or len(value.users) != 1:
            return None
        if before.name == "convert_element_type":
            return before
        if before.name not in _MOVES:
            return None
        value = before.ins[0]
    return None


def _is_pointless(start: str, middle: str) -> bool:
    """Whether nobody means it: a float to an integer and back rounds, to 8 bits quantizes."""
    if start in _BYTES:
        return middle in _BYTES and middle != start
    return start in _INTEGERS and (middle in _BYTES or middle in _INTEGERS)


def _is_compared(end: Value, start: Value) -> bool:
    """Whether it is used beside what it was: to find what rounding does."""
    return any(
        each.number == start.number for user in end.users for each in user.ins if each is not end
    )
