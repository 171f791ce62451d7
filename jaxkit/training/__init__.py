"""Training loops: `fit` from a loss and an optax optimiser, with what a long run needs.

Example:
    >>> import jax.numpy as jnp, numpy as np, optax
    >>> from jaxkit.training import fit
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)
    >>> batches = [{"x": x, "y": 3 * x}]
    >>> def loss(model, batch):
    ...     return (model["w"] * batch["x"] - batch["y"]) ** 2
    >>> result = fit({"w": jnp.zeros(())}, loss, batches, optax.sgd(0.5), epochs=50)
    >>> round(float(result.model["w"]), 3), result.stopped
    (3.0, 'finished')

Each name is loaded on first use. A file must not be named as the function in it: the file
`_fit.py` has `fit`, because importing a submodule hides a name of its package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxkit.training._fit import fit as fit
    from jaxkit.training.checkpoint import Checkpoints as Checkpoints
    from jaxkit.training.event import Progress as Progress
    from jaxkit.training.result import Result as Result
    from jaxkit.training.scaling import DynamicLossScale as DynamicLossScale
    from jaxkit.training.scaling import StaticLossScale as StaticLossScale
    from jaxkit.training.stopping import EarlyStopping as EarlyStopping

# A name, and the module that has it.
_WHERE = {
    "Checkpoints": "jaxkit.training.checkpoint",
    "DynamicLossScale": "jaxkit.training.scaling",
    "EarlyStopping": "jaxkit.training.stopping",
    "Progress": "jaxkit.training.event",
    "Result": "jaxkit.training.result",
    "StaticLossScale": "jaxkit.training.scaling",
    "fit": "jaxkit.training._fit",
}

# Once more, for those who read without running.
__all__ = [
    "Checkpoints",
    "DynamicLossScale",
    "EarlyStopping",
    "Progress",
    "Result",
    "StaticLossScale",
    "fit",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'jaxkit.training' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
