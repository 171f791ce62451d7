"""How equations nest: which jaxprs a primitive holds, and how often each of them runs.

A table by name for the primitives of JAX; for one that is not in it, a search of its parameters.
What cannot be entered is said (`is_opaque`), never dropped.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any, Literal, cast

from jaxkit._jax.jaxprs import is_jaxpr, manual_axes, open_jaxpr

Role = Literal["call", "loop_body", "loop_cond", "branch", "combiner", "kernel"]


@dataclasses.dataclass(frozen=True, slots=True)
class Nested:
    """A jaxpr inside an equation.

    Attributes:
      jaxpr: the jaxpr, without its constants.
      closed: as the equation holds it, with them.
      name: what it is called in a path.
      role: what the equation does with it.
      count: how often it runs each time the equation does; None where only the values tell.
      extra: how often it runs besides, once more than the body for a loop's condition.
      branches: of how many alternatives it is one.
      devices: on how many devices it runs at once, each on a part of the data.
    """

    jaxpr: Any
    closed: Any
    name: str
    role: Role = "call"
    count: int | None = 1
    extra: int = 0
    branches: int = 1
    devices: int = 1


def _nested(closed: Any, name: str, role: Role = "call", **fields: Any) -> Nested:
    return Nested(open_jaxpr(closed), closed, name, role, **fields)


def _call(parameter: str) -> Callable[[Any], list[Nested]]:
    def read(eqn: Any) -> list[Nested]:
        name = eqn.params.get("name")
        label = name if isinstance(name, str) and name else eqn.primitive.name
        return [_nested(eqn.params[parameter], label)]

    return read


def _scan(eqn: Any) -> list[Nested]:
    length = eqn.params["length"]
    count = length if isinstance(length, int) else None  # a symbolic dimension
    return [_nested(eqn.params["jaxpr"], "scan", "loop_body", count=count)]


def _while(eqn: Any) -> list[Nested]:
    return [
        _nested(eqn.params["cond_jaxpr"], "while condition", "loop_cond", count=None, extra=1),
        _nested(eqn.params["body_jaxpr"], "while", "loop_body", count=None),
    ]


def _cond(eqn: Any) -> list[Nested]:
    branches = eqn.params["branches"]
    return [
        _nested(branch, f"cond branch {i}", "branch", branches=len(branches))
        for i, branch in enumerate(branches)
    ]


def _shard_map(eqn: Any) -> list[Nested]:
    sizes = dict(eqn.params["mesh"].shape)
    devices = math.prod(sizes[name] for name in manual_axes(eqn))
    return [_nested(eqn.params["jaxpr"], "shard_map", devices=devices)]


def _pallas(eqn: Any) -> list[Nested]:
    grid: tuple[Any, ...] = getattr(eqn.params.get("grid_mapping"), "grid", ())
    known = all(isinstance(size, int) for size in grid)
    count = math.prod(grid) if known else None
    label = getattr(eqn.params.get("name_and_src_info"), "name", None) or "pallas_call"
    return [_nested(eqn.params["jaxpr"], str(label), "kernel", count=count)]


def _solve(eqn: Any) -> list[Nested]:
    """Of the four programs of a linear solve only the solver runs forward."""
    return [_nested(eqn.params["jaxprs"].solve, "custom_linear_solve")]


def _combiner(parameter: str) -> Callable[[Any], list[Nested]]:
    def read(eqn: Any) -> list[Nested]:
        held = eqn.params.get(parameter)
        if not is_jaxpr(held):
            return []
        return [_nested(held, eqn.primitive.name, "combiner", count=None)]

    return read


def _nothing(eqn: Any) -> list[Nested]:
    return []


_TABLE: dict[str, Callable[[Any], list[Nested]]] = {
    "jit": _call("jaxpr"),
    "pjit": _call("jaxpr"),
    "custom_jvp_call": _call("call_jaxpr"),
    "custom_vjp_call": _call("call_jaxpr"),
    "custom_vjp_call_jaxpr": _call("call_jaxpr"),
    "eval_jaxpr": _call("call_jaxpr"),
    "closed_call": _call("call_jaxpr"),
    "core_call": _call("call_jaxpr"),
    "remat2": _call("jaxpr"),
    "checkpoint": _call("jaxpr"),
    "compute_on": _call("jaxpr"),
    "run_state": _call("jaxpr"),
    "xla_metadata_call": _call("jaxpr"),
    "custom_vmap_call": _call("call"),
    "custom_partitioning": _call("call"),
    "linear_call": _call("callee"),
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "shard_map": _shard_map,
    "pallas_call": _pallas,
    "custom_linear_solve": _solve,
    "reduce": _combiner("jaxpr"),
    "reduce_window": _combiner("jaxpr"),
    "reduce_precision": _nothing,
    "scatter": _combiner("update_jaxpr"),
    "scatter-add": _combiner("update_jaxpr"),
    "scatter-sub": _combiner("update_jaxpr"),
    "scatter-mul": _combiner("update_jaxpr"),
    "scatter-min": _combiner("update_jaxpr"),
    "scatter-max": _combiner("update_jaxpr"),
}

# Code that is no jaxpr: what it does and costs cannot be seen.
_OPAQUE = frozenset(
    {
        "pure_callback",
        "io_callback",
        "debug_callback",
        "ffi_call",
        "call_exported",
        "call_hi_primitive",
        "custom_call",
        "tpu_custom_call",
        "triton_kernel_call",
        "mosaic_gpu_kernel_call",
        "xla_call_module",
        "call_tf",
    }
)


def nested(eqn: Any) -> list[Nested]:
    """The jaxprs that an equation holds and may run, in the order in which they would."""
    if not eqn.params:
        return []
    read = _TABLE.get(eqn.primitive.name)
    if read is not None:
        try:
            return read(eqn)
        except (AttributeError, KeyError, TypeError):
            pass  # another version's parameters: searched as those of an unknown primitive
    return _searched(eqn)


def is_opaque(eqn: Any) -> bool:
    """Whether an equation runs code that is no jaxpr, so that nothing can be said of it."""
    return eqn.primitive.name in _OPAQUE


def is_combiner(site: Nested) -> bool:
    """Whether the jaxpr only says how two elements become one, as of a reduction."""
    return site.role == "combiner"


def _searched(eqn: Any) -> list[Nested]:
    name = eqn.primitive.name
    return [_nested(found, name) for value in eqn.params.values() for found in _held(value)]


def _held(value: Any) -> Iterable[Any]:
    """The jaxprs in a parameter, however deep in tuples, lists and dicts."""
    if type(value) in _HOLD_NOTHING:  # nearly all parameters
        return
    if is_jaxpr(value):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in cast("tuple[Any, ...]", value):
            if type(each) not in _HOLD_NOTHING:
                yield from _held(each)
    elif isinstance(value, dict):
        for each in cast("dict[Any, Any]", value).values():
            yield from _held(each)


_HOLD_NOTHING = frozenset((bool, int, float, complex, str, bytes, type(None)))
