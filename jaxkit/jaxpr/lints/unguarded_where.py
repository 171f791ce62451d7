"""`jnp.where` around a function that is not defined where it is not chosen."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Graph, Node, Value
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.lints.places import short
from jaxkit.report import Finding

# Functions whose derivative is not finite somewhere, and which operand that depends on.
_SINGULAR = {
    "log": 0,
    "log2": 0,
    "log1p": 0,
    "sqrt": 0,
    "rsqrt": 0,
    "cbrt": 0,
    "div": 1,
    "reciprocal": 0,
    "pow": 0,
    "asin": 0,
    "acos": 0,
    "atanh": 0,
    "acosh": 0,
}
_EACH = frozenset(
    """neg mul add sub abs exp sin cos tanh square integer_pow convert_element_type broadcast_in_dim
    reshape squeeze copy stop_gradient real imag sign and or not""".split()
)
_GUARDS = frozenset("select_n max clamp exp logistic logaddexp softplus cosh".split())
_COMPARISONS = frozenset("gt ge lt le eq ne is_finite".split())
# Their value says of itself where they are not defined: log(x) > -9, sqrt(x) == 0. A quotient says
# so only where it is asked whether it is finite.
_TELLING = frozenset("log log2 log1p sqrt rsqrt cbrt".split())
_FAR = 6  # equations that are looked back through, on each side


def unguarded_where(code: Code) -> Iterator[Finding]:
    """Selections by a condition on what a log, a root or a quotient takes or gives, not guarded.

    Args:
      code: the function.
    """
    graph = code.graph
    varying = _varying(graph)
    for node in graph.nodes:
        if node.name != "select_n" or node.derived or node.again or "float" not in _dtype(node):
            continue
        condition = _numbers(node.ins[0], _EACH | _COMPARISONS)
        finite = _asked_whether_finite(node.ins[0])
        for case in node.ins[1:]:
            culprit = _singular(case, condition, finite, varying)
            if culprit is not None:
                yield _finding(node, culprit)
                break


def _dtype(node: Node) -> str:
    return node.outs[0].dtype


def _finding(node: Node, culprit: Node) -> Finding:
    return finding(
        "unguarded-where",
        node.where,
        f"where chooses around {culprit.name} ({short(culprit.where)}), which is computed for all "
        "elements: where it is not finite, the gradient is 0 * inf = NaN, chosen or not",
        f"make the operand of {culprit.name} safe first, with a where of its own: "
        "x_safe = jnp.where(ok, x, 1.0), then jnp.where(ok, f(x_safe), 0.0)",
        {"primitive": culprit.name},
    )


def _singular(case: Value, condition: set[int], finite: set[int], varying: set[int]) -> Node | None:
    todo = [(case, 0)]
    while todo:
        value, far = todo.pop()
        node = value.node
        if node is None or far > _FAR:
            continue
        which = _SINGULAR.get(node.name)
        if which is not None and which < len(node.ins):
            operand = node.ins[which]
            open_to_it = id(operand) in varying and not _is_guarded(operand)
            result = node.outs[0].number
            said = result in finite or (node.name in _TELLING and result in condition)
            if open_to_it and (said or _numbers(operand, _EACH) & condition):
                return node
        if node.name in _EACH or which is not None:
            todo.extend((each, far + 1) for each in node.ins)
    return None


def _asked_whether_finite(condition: Value) -> set[int]:
    """Numbers of what `jnp.isfinite` or `jnp.isnan` is asked of, and of what that is made of."""
    found: set[int] = set()
    todo = [(condition, 0)]
    while todo:
        value, far = todo.pop()
        node = value.node
        if node is None or far > _FAR:
            continue
        itself = node.name == "ne" and node.ins[0].number == node.ins[1].number
        if itself or node.name == "is_finite":
            found |= _numbers(node.ins[0], _EACH | _SINGULAR.keys())
        elif node.name in _EACH or node.name in ("reduce_and", "reduce_or"):
            todo += [(each, far + 1) for each in node.ins]
    return found


def _is_guarded(value: Value) -> bool:
    """Whether it is held away from where the function is not defined, or something is added."""
    for _ in range(_FAR):
        node = value.node
        if node is None:
            return False
        if node.name in _GUARDS:
            return True
        if node.name == "add" and any(each.kind == "literal" for each in node.ins):
            return True
        if node.name not in ("convert_element_type", "broadcast_in_dim", "reshape", "squeeze"):
            return False
        value = node.ins[0]
    return False


def _numbers(value: Value, through: frozenset[str]) -> set[int]:
    """Numbers of the values that it is computed from, and its own; those of literals left out."""
    found: set[int] = set()
    todo = [(value, 0)]
    while todo:
        current, far = todo.pop()
        if current.kind == "literal" or current.number in found:
            continue
        found.add(current.number)
        if current.node is not None and current.node.name in through and far < _FAR:
            todo.extend((each, far + 1) for each in current.node.ins)
    return found


def _varying(graph: Graph) -> set[int]:
    """Ids of the values that an argument in floating point has a part in."""
    found = {id(value) for value in graph.inputs if "float" in value.dtype}
    for node in graph.nodes:
        for region in node.regions:
            found.update(id(value) for value in region.inputs if value.kind != "literal")
        if any(id(value) in found for value in node.ins):
            found.update(id(value) for value in node.outs)
    return found
