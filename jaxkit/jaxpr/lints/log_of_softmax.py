"""Logarithms of probabilities that were logits a moment ago."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Node, Value
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.report import Finding

# What picks, moves or nudges probabilities, and leaves them what they are.
_THROUGH = frozenset(
    """reshape squeeze transpose broadcast_in_dim slice dynamic_slice gather rev copy
    convert_element_type stop_gradient name max min clamp add clip expand_dims split""".split()
)
# What stands between the sum of a softmax's exponentials and the division by it.
_TO_SUM = frozenset(
    "reshape squeeze broadcast_in_dim convert_element_type stop_gradient max add".split()
)
_FAR = 12  # equations that are looked back through


def log_of_softmax(code: Code) -> Iterator[Finding]:
    """Logarithms of a softmax or a sigmoid, also of a part of it or of it plus a small number.

    Args:
      code: the function.
    """
    for node in code.graph.nodes:
        if node.name not in ("log", "log2") or node.backward:
            continue
        found = _probability(node.ins[0])
        if found is None:
            continue
        better = "log_softmax" if found.name == "div" else "log_sigmoid"
        of = "softmax" if found.name == "div" else "sigmoid"
        yield finding(
            "log-of-softmax",
            node.where,
            f"the log of a {of} of {node.ins[0]}: a probability that underflows to 0 gives -inf "
            "and a NaN gradient, and near 1 all digits are lost",
            f"use jax.nn.{better}(x), which never takes the log of 0",
            {"function": of, "type": str(node.ins[0])},
        )


def _probability(value: Value) -> Node | None:
    """The last equation of the softmax or sigmoid that a value is taken from."""
    for _ in range(_FAR):
        node = value.node
        if node is None:
            return None
        if node.name == "logistic" or (node.name == "div" and _is_softmax(node)):
            return node
        if node.name == "sub":  # the other probability of two
            if node.ins[0].kind != "literal" or _number(node.ins[0]) != 1:
                return None
            inner = _probability(node.ins[1])
            return inner if inner is not None and inner.name == "logistic" else None
        if node.name not in _THROUGH:
            return None
        if node.name in ("add", "max", "min") and not any(_is_number(each) for each in node.ins):
            return None
        value = _array(node)
    return None


def _is_softmax(node: Node) -> bool:
    """Whether it is exp(x) / sum(exp(x))."""
    above, below = node.ins
    exponential = _back(above, frozenset({"convert_element_type", "mul"}), "exp")
    total = _back(below, _TO_SUM, "reduce_sum")
    if exponential is None or total is None:
        return False
    summed = _back(total.ins[0], frozenset({"convert_element_type", "mul", "select_n"}), "exp")
    return summed is not None and summed.outs[0].number == exponential.outs[0].number


def _back(value: Value, through: frozenset[str], name: str) -> Node | None:
    for _ in range(_FAR):
        node = value.node
        if node is None or node.name == name:
            return node
        if node.name not in through:
            return None
        value = _array(node)
    return None


def _array(node: Node) -> Value:
    """The operand that is no number: of a selection the last, of a sum the one that is computed."""
    if node.name == "select_n":
        return node.ins[-1]
    if node.name == "clamp":
        return node.ins[1]
    if node.name in ("add", "max", "min", "mul"):
        return node.ins[1] if _is_number(node.ins[0]) else node.ins[0]
    return node.ins[0]


def _is_number(value: Value) -> bool:
    """Whether it is written in the program, as a number or an array full of it."""
    for _ in range(_FAR):
        if value.kind == "literal":
            return True
        node = value.node
        if node is None or node.name not in ("broadcast_in_dim", "convert_element_type"):
            return False
        value = node.ins[0]
    return False


def _number(value: Value) -> float | None:
    try:
        return float(value.content)
    except (TypeError, ValueError):
        return None
