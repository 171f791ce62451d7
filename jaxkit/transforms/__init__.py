"""Functions from function to function: the contract, `chain`, the registry, and ours.

Each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxkit.transforms._accumulate_gradients import accumulate_gradients as accumulate_gradients
    from jaxkit.transforms._adaptive_clip import adaptive_clip as adaptive_clip
    from jaxkit.transforms._as_optax import as_optax as as_optax
    from jaxkit.transforms._bucket import bucket as bucket
    from jaxkit.transforms._bucket import powers_of_two as powers_of_two
    from jaxkit.transforms._chain import Chain as Chain
    from jaxkit.transforms._chain import chain as chain
    from jaxkit.transforms._clip_by_global_norm import clip_by_global_norm as clip_by_global_norm
    from jaxkit.transforms._clip_by_leaf_norm import clip_by_leaf_norm as clip_by_leaf_norm
    from jaxkit.transforms._clip_by_value import clip_by_value as clip_by_value
    from jaxkit.transforms._clip_gradients import clip_gradients as clip_gradients
    from jaxkit.transforms._clip_per_example import clip_per_example as clip_per_example
    from jaxkit.transforms._registry import Entry as Entry
    from jaxkit.transforms._registry import available as available
    from jaxkit.transforms._registry import get as get
    from jaxkit.transforms._transform import TAGS as TAGS
    from jaxkit.transforms._transform import Transform as Transform
    from jaxkit.transforms._transform import transform as transform

# A name, and where it is when it is first asked for.
_WHERE = {
    "Chain": "_chain",
    "Entry": "_registry",
    "TAGS": "_transform",
    "Transform": "_transform",
    "accumulate_gradients": "_accumulate_gradients",
    "adaptive_clip": "_adaptive_clip",
    "as_optax": "_as_optax",
    "available": "_registry",
    "bucket": "_bucket",
    "chain": "_chain",
    "clip_by_global_norm": "_clip_by_global_norm",
    "clip_by_leaf_norm": "_clip_by_leaf_norm",
    "clip_by_value": "_clip_by_value",
    "clip_gradients": "_clip_gradients",
    "clip_per_example": "_clip_per_example",
    "get": "_registry",
    "powers_of_two": "_bucket",
    "transform": "_transform",
}

# Once more, for those who read without running.
__all__ = [
    "TAGS",
    "Chain",
    "Entry",
    "Transform",
    "accumulate_gradients",
    "adaptive_clip",
    "as_optax",
    "available",
    "bucket",
    "chain",
    "clip_by_global_norm",
    "clip_by_leaf_norm",
    "clip_by_value",
    "clip_gradients",
    "clip_per_example",
    "get",
    "powers_of_two",
    "transform",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'jaxkit.transforms' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
