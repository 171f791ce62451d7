"""Property-based tests of functions of JAX: strategies, variants and the kits of checks.

Example:
    >>> from hypothesis import given, settings
    >>> from jaxkit import testing
    >>> @settings(max_examples=5, deadline=None)
    ... @given(x=testing.arrays("float32", (3,)))
    ... def test_it_is_its_own_inverse(x):
    ...     assert (-(-x) == x).all()
    >>> test_it_is_its_own_inverse()

Each name is loaded on first use. A file must not be named as the function in it: the file
`_arrays.py` has `arrays`, because importing a submodule hides a name of its package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxkit.testing._check_function import check_function as check_function
    from jaxkit.testing._check_transform import check_transform as check_transform
    from jaxkit.testing._parametrize import parametrize_with_checks as parametrize_with_checks
    from jaxkit.testing._subject import Subject as Subject
    from jaxkit.testing.strategies import arguments_for as arguments_for
    from jaxkit.testing.strategies import arrays as arrays
    from jaxkit.testing.strategies import from_annotation as from_annotation
    from jaxkit.testing.strategies import keys as keys
    from jaxkit.testing.strategies import modules as modules
    from jaxkit.testing.strategies import pytrees as pytrees
    from jaxkit.testing.strategies import shape_dtype_structs as shape_dtype_structs

# A name, and the module that has it.
_WHERE = {
    "Subject": "jaxkit.testing._subject",
    "arguments_for": "jaxkit.testing.strategies",
    "arrays": "jaxkit.testing.strategies",
    "check_function": "jaxkit.testing._check_function",
    "check_transform": "jaxkit.testing._check_transform",
    "from_annotation": "jaxkit.testing.strategies",
    "keys": "jaxkit.testing.strategies",
    "modules": "jaxkit.testing.strategies",
    "parametrize_with_checks": "jaxkit.testing._parametrize",
    "pytrees": "jaxkit.testing.strategies",
    "shape_dtype_structs": "jaxkit.testing.strategies",
}

# Once more, for those who read without running.
__all__ = [
    "Subject",
    "arguments_for",
    "arrays",
    "check_function",
    "check_transform",
    "from_annotation",
    "keys",
    "modules",
    "parametrize_with_checks",
    "pytrees",
    "shape_dtype_structs",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'jaxkit.testing' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
