"""How long it takes: spans of a running program, benchmarks, comparisons, this machine's limits.

Each name is loaded on first use. A file must not be named as the function in it: the file
`_machine_limits.py` has `machine_limits`, because importing a submodule hides a name of its
package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxkit.timing._machine_limits import MachineLimits as MachineLimits
    from jaxkit.timing._machine_limits import machine_limits as machine_limits
    from jaxkit.timing._timed import timed as timed
    from jaxkit.timing.comparison import Comparison as Comparison
    from jaxkit.timing.timing import Timing as Timing

# A name, and the module that has it.
_WHERE = {
    "Comparison": "jaxkit.timing.comparison",
    "MachineLimits": "jaxkit.timing._machine_limits",
    "Timing": "jaxkit.timing.timing",
    "machine_limits": "jaxkit.timing._machine_limits",
    "timed": "jaxkit.timing._timed",
}

# Once more, for those who read without running.
__all__ = [
    "Comparison",
    "MachineLimits",
    "Timing",
    "machine_limits",
    "timed",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'jaxkit.timing' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
