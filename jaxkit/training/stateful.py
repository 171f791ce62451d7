"""Layers that keep state beside their parameters, as BatchNorm does, are refused."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax

__all__ = ["refuse_stateful"]

_MOST = 3


def refuse_stateful(model: Any) -> None:
    """Refuses a model with layers whose running statistics would stay as they are.

    A layer in inference mode changes nothing, and may stay.

    Args:
        model: The model as it was given.

    Raises:
        TypeError: There are such layers, or an `equinox.nn.State`, whose arrays would be trained.
    """
    named = jax.tree_util.tree_flatten_with_path(model, is_leaf=_keeps_state)[0]
    found = [
        f"model{jax.tree_util.keystr(path)} ({type(leaf).__name__})"
        for path, leaf in named
        if _keeps_state(leaf) and getattr(leaf, "inference", None) is not True
    ]
    if found:
        more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
        raise TypeError(
            "model must have no state beside its parameters, which fit would not update, got "
            f"{', '.join(found[:_MOST])}{more}: take eqx.nn.GroupNorm or LayerNorm, or freeze the "
            "statistics: train eqx.nn.inference_mode(model), with the eqx.nn.State in the loss and "
            "not in the model"
        )


def _keeps_state(node: Any) -> bool:
    if isinstance(node, (eqx.nn.State, eqx.nn.StateIndex)):
        return True
    own = vars(node).values() if isinstance(node, eqx.Module) else ()
    return any(isinstance(value, eqx.nn.StateIndex) for value in own)
