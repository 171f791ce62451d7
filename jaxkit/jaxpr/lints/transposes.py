"""Transposes that undo each other."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Node, Value
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.lints.places import short
from jaxkit.report import Finding

# Between the two, as many equations that work on each element by itself.
BETWEEN = 8
_EACH = frozenset(
    """neg sign floor ceil round exp exp2 log log1p expm1 sin cos tan tanh logistic sqrt rsqrt cbrt
    abs square integer_pow erf erfc convert_element_type copy name""".split()
)

_WITH_NUMBER = frozenset("add sub mul div max min pow".split())


def transpose_pair(code: Code) -> Iterator[Finding]:
    """Transposes of which the second gives back the order that the first has changed.

    Both stand on a line of the user's: those that `jax.vmap`, `jnp.linalg.solve` or a library needs
    on its way cannot be left out.

    Args:
      code: the function.
    """
    live = code.graph.live()
    for node in code.graph.nodes:
        if node.name != "transpose" or node.again or id(node) not in live or not _is_written(node):
            continue
        first = _first(node.ins[0])
        if first is None or not _is_written(first) or not _moves(first):
            continue
        one, two = first.params["permutation"], node.params["permutation"]
        if tuple(one[axis] for axis in two) != tuple(range(len(one))):
            continue
        yield finding(
            "transpose-pair",
            node.where,
            f"the transpose {tuple(two)} of {node.ins[0]} undoes the one before "
            f"({short(first.where)}): unless XLA cancels both, the array is copied twice",
            "leave both out: what stands between does not depend on the order of the axes",
            {"permutation": list(two), "bytes": node.ins[0].nbytes},
        )


def _is_written(node: Node) -> bool:
    """Whether the user's line asks for it, and for this order of the axes."""
    if node.backward or not node.own or not node.origin.transposed:
        return False
    moved = node.origin.batched and node.params["permutation"][0] != 0  # by `vmap` as well
    return not moved


def _first(value: Value) -> Node | None:
    for _ in range(BETWEEN + 1):
        node = value.node
        if node is None or len(value.users) != 1:
            return None  # the other order is used as well
        if node.name == "transpose":
            return node
        arrays = [each for each in node.ins if not _is_number(each)]
        if node.name not in (_EACH if len(node.ins) == 1 else _WITH_NUMBER) or len(arrays) != 1:
            return None
        value = arrays[0]
    return None


def _is_number(value: Value) -> bool:
    """Whether it is one number, also as an array full of it."""
    while value.node is not None and value.node.name == "broadcast_in_dim":
        value = value.node.ins[0]
    return value.shape == ()


def _moves(node: Node) -> bool:
    """Whether axes longer than 1 change places."""
    shape = node.ins[0].shape
    long = [axis for axis in node.params["permutation"] if shape[axis] != 1]
    return long != sorted(long)
