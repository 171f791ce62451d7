"""jaxkit: answers to the questions on which users of JAX lose hours.

Importing this package is cheap and imports no JAX: each public name is loaded on first use.

Example:
    >>> import jaxkit
    >>> with jaxkit.watch() as log:
    ...     pass
    >>> log.report().ok
    True
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, whose import costs more than all of this package's does
if TYPE_CHECKING:
    from typing import Any

    from jaxkit.compiles.budget import max_compiles as max_compiles
    from jaxkit.compiles.explain import explain as explain
    from jaxkit.compiles.watch import watch as watch
    from jaxkit.errors import FindingsError as FindingsError
    from jaxkit.errors import JaxkitError as JaxkitError
    from jaxkit.errors import MissingExtraError as MissingExtraError
    from jaxkit.errors import NonFiniteError as NonFiniteError
    from jaxkit.errors import PluginError as PluginError
    from jaxkit.errors import RecompilationError as RecompilationError
    from jaxkit.errors import ReportFormatError as ReportFormatError
    from jaxkit.errors import ReportPathError as ReportPathError
    from jaxkit.errors import UsageError as UsageError
    from jaxkit.jaxpr._inspect import inspect as inspect
    from jaxkit.jaxpr.lints import lint as lint
    from jaxkit.numerics.check_finite import check_finite as check_finite
    from jaxkit.numerics.compare_x64 import compare_x64 as compare_x64
    from jaxkit.numerics.emulate import emulate as emulate
    from jaxkit.numerics.nan_origin import nan_origin as nan_origin
    from jaxkit.numerics.search_precision import search_precision as search_precision
    from jaxkit.numerics.shadow import shadow as shadow
    from jaxkit.numerics.x64 import x64 as x64
    from jaxkit.report import Finding as Finding
    from jaxkit.report import Report as Report
    from jaxkit.report import SourceLine as SourceLine
    from jaxkit.timing.benchmark import benchmark as benchmark
    from jaxkit.timing.compare import compare as compare
    from jaxkit.timing.timer import timer as timer
    from jaxkit.transforms import accumulate_gradients as accumulate_gradients
    from jaxkit.transforms import bucket as bucket
    from jaxkit.transforms import chain as chain
    from jaxkit.transforms import transform as transform
    from jaxkit.transforms._adaptive_clip import adaptive_clip as adaptive_clip
    from jaxkit.transforms._as_optax import as_optax as as_optax
    from jaxkit.transforms._clip_by_global_norm import clip_by_global_norm as clip_by_global_norm
    from jaxkit.transforms._clip_by_leaf_norm import clip_by_leaf_norm as clip_by_leaf_norm
    from jaxkit.transforms._clip_by_value import clip_by_value as clip_by_value
    from jaxkit.transforms._clip_gradients import clip_gradients as clip_gradients
    from jaxkit.transforms._clip_per_example import clip_per_example as clip_per_example

__version__ = "0.1.0.dev0"

# The whole public surface: a name, and where it is when it is first asked for.
_WHERE = {
    "Finding": "jaxkit.report:Finding",
    "FindingsError": "jaxkit.errors:FindingsError",
    "JaxkitError": "jaxkit.errors:JaxkitError",
    "MissingExtraError": "jaxkit.errors:MissingExtraError",
    "NonFiniteError": "jaxkit.errors:NonFiniteError",
    "PluginError": "jaxkit.errors:PluginError",
    "RecompilationError": "jaxkit.errors:RecompilationError",
    "Report": "jaxkit.report:Report",
    "ReportFormatError": "jaxkit.errors:ReportFormatError",
    "ReportPathError": "jaxkit.errors:ReportPathError",
    "SourceLine": "jaxkit.report:SourceLine",
    "UsageError": "jaxkit.errors:UsageError",
    "accumulate_gradients": "jaxkit.transforms:accumulate_gradients",
    "adaptive_clip": "jaxkit.transforms._adaptive_clip:adaptive_clip",
    "as_optax": "jaxkit.transforms._as_optax:as_optax",
    "benchmark": "jaxkit.timing.benchmark:benchmark",
    "bucket": "jaxkit.transforms:bucket",
    "chain": "jaxkit.transforms:chain",
    "check_finite": "jaxkit.numerics.check_finite:check_finite",
    "clip_by_global_norm": "jaxkit.transforms._clip_by_global_norm:clip_by_global_norm",
    "clip_by_leaf_norm": "jaxkit.transforms._clip_by_leaf_norm:clip_by_leaf_norm",
    "clip_by_value": "jaxkit.transforms._clip_by_value:clip_by_value",
    "clip_gradients": "jaxkit.transforms._clip_gradients:clip_gradients",
    "clip_per_example": "jaxkit.transforms._clip_per_example:clip_per_example",
    "compare": "jaxkit.timing.compare:compare",
    "compare_x64": "jaxkit.numerics.compare_x64:compare_x64",
    "emulate": "jaxkit.numerics.emulate:emulate",
    "explain": "jaxkit.compiles.explain:explain",
    "inspect": "jaxkit.jaxpr._inspect:inspect",
    "lint": "jaxkit.jaxpr.lints:lint",
    "max_compiles": "jaxkit.compiles.budget:max_compiles",
    "nan_origin": "jaxkit.numerics.nan_origin:nan_origin",
    "shadow": "jaxkit.numerics.shadow:shadow",
    "search_precision": "jaxkit.numerics.search_precision:search_precision",
    "timer": "jaxkit.timing.timer:timer",
    "transform": "jaxkit.transforms:transform",
    "watch": "jaxkit.compiles.watch:watch",
    "x64": "jaxkit.numerics.x64:x64",
}

# Once more, for those who read without running.
__all__ = [
    "Finding",
    "FindingsError",
    "JaxkitError",
    "MissingExtraError",
    "NonFiniteError",
    "PluginError",
    "RecompilationError",
    "Report",
    "ReportFormatError",
    "ReportPathError",
    "SourceLine",
    "UsageError",
    "__version__",
    "accumulate_gradients",
    "adaptive_clip",
    "as_optax",
    "benchmark",
    "bucket",
    "chain",
    "check_finite",
    "clip_by_global_norm",
    "clip_by_leaf_norm",
    "clip_by_value",
    "clip_gradients",
    "clip_per_example",
    "compare",
    "compare_x64",
    "emulate",
    "explain",
    "inspect",
    "lint",
    "max_compiles",
    "nan_origin",
    "search_precision",
    "shadow",
    "timer",
    "transform",
    "watch",
    "x64",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'jaxkit' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _WHERE[name].partition(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
