"""`jaxkit.nan_origin`: the operation that made the NaN or the infinity in a function's output."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax import jaxprs
from jaxkit._jax.jitted import is_jitted
from jaxkit._jax.values import kind_of
from jaxkit.numerics.nonfinite.codes import is_finite
from jaxkit.numerics.nonfinite.count import INF, NAN, count_on_host
from jaxkit.numerics.nonfinite.find import Origin
from jaxkit.numerics.nonfinite.programs import program_of
from jaxkit.report import Finding, Report, Text

__all__ = ["nan_origin"]

_KEPT = 8


def nan_origin(fun: Callable[..., Any]) -> Callable[..., Report]:
    """Which operation made the NaN or the infinity in a function's output, and of what.

    The function is called. Where its output is finite, that is all. Otherwise it is evaluated once
    more with every special value followed from the operation that made it, through loops, branches
    and the backward pass: blamed is the first one that really spoils the output. An infinity that
    is meant, as that of a mask, and what a `where` discards is not blamed; nor is a NaN that came
    in as an argument, which the report says.

    The kinds of findings are `overflow`, `underflow` (of a logarithm or a division of what became
    zero on the way), `division-by-zero`, `log-of-zero` and `invalid`. Their data has the operation,
    its operands at the element, `index`, `iteration` of each loop around, `scope`, and `phase`:
    forward or backward; and `through`, where a condition looked at it and chose a NaN that is a
    constant, as in `jnp.median`: the line of that condition.

    As a transform of the same name (`jaxkit.transforms.get("nan_origin")`, or `jaxkit run --apply
    nan_origin@FUNCTION`) it returns what the function does, and raises `NonFiniteError`.

    Example:
        >>> import jax, jax.numpy as jnp, jaxkit
        >>> def loss(x):
        ...     return jnp.where(x > 0, jnp.sqrt(x), 0.0).sum()
        >>> jaxkit.nan_origin(loss)(jnp.array([1.0, 0.0])).ok
        True
        >>> report = jaxkit.nan_origin(jax.grad(loss))(jnp.array([1.0, 0.0]))
        >>> report.findings[0].kind, report.findings[0].where.line
        ('division-by-zero', 2)

    Args:
        fun: A function of any pytrees, jitted or not; take `jax.grad` of it for its backward pass.

    Returns:
        A function of the same arguments that returns a Report.

    Raises:
        TypeError: `fun` is not callable; when called, an argument is a value of a trace.

    References:
        `jax.config.jax_debug_nans` stops at the first NaN, meant or not, and does not know whether
        it reaches the output: https://docs.jax.dev/en/latest/debugging/flags.html
    """
    if not callable(fun):
        raise TypeError(
            f"fun must be a function, got {fun!r} of type {type(fun).__name__}: "
            "nan_origin(fun)(*args), as with jax.make_jaxpr(fun)(*args)"
        )
    return _Analysis(fun)


class _Analysis:
    """The function that `nan_origin` returns; it keeps what it has compiled."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        self._fun = fun
        self._known: OrderedDict[Hashable, Origin] = OrderedDict()
        self.__name__ = self.__qualname__ = jaxprs.name_of(fun)
        self.__wrapped__ = fun

    def __call__(self, *args: Any, **kwargs: Any) -> Report:
        refuse_traced(args, kwargs)
        args, kwargs = jax.tree.map(_on_device, (args, kwargs))
        given = _kept(self._fun, args, kwargs)
        out = self._fun(*args, **kwargs)
        if all_finite(out):
            return Report("nan_origin", data={"finite": True}, blocks=[_said(_FINE)])
        args, kwargs = given
        program = program_of(self._fun, args, kwargs)
        key = _key(args, kwargs)
        eager, fused, apart = (True, False), (False, False), (True, True)
        # What the compiler makes of a program decides about a last digit, and so about 0 / 0.
        for way in (fused, eager, apart) if is_jitted(self._fun) else (eager, apart, fused):
            report = self._analysed(program, key, *way)
            if report is not None:
                return report
        return Report("nan_origin", data={"finite": False}, blocks=[_said(_ELSEWHERE)])

    def _analysed(
        self, program: jaxprs.Program, kind: Hashable, barriers: bool, apart: bool
    ) -> Report | None:
        key = kind, barriers, apart
        origin = self._known.get(key) if kind is not None else None
        if origin is None:
            origin = Origin(program, barriers=barriers, apart=apart)
            if kind is not None:
                self._known[key] = origin
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        return report_of(origin, program)


def report_of(origin: Origin, program: jaxprs.Program) -> Report | None:
    """What is said of a program's inputs; None if its outputs are finite after all."""
    outcome, findings = origin.of(program.inputs)
    if not any(nan or inf for nan, inf in outcome.bad):
        return None
    names = [f"captured[{i}]" for i in range(program.captured)]
    names += [_argument(name) for name in program.arguments]
    came = [names[i] for i in outcome.arguments]
    data = {
        "finite": False,
        "arguments": came,
        "outputs": [
            {"path": name, "nan": nan, "inf": inf}
            for name, (nan, inf) in zip(origin.leaves, outcome.bad, strict=True)
            if nan or inf
        ],
    }
    return Report("nan_origin", findings, data, blocks=_blocks(findings, came))


def _argument(path: str) -> str:
    """`[0][2]['x']`, a path in (args, kwargs), as `args[2]['x']`."""
    return ("args" if path.startswith("[0]") else "kwargs") + path[3:]


_FINE = "Every output is finite."
_GIVEN = (
    "Outputs are NaN or infinite, as the function was given them: by an argument or a constant, "
    "such as the -inf of a mask. No operation made a NaN or an infinity that reaches them."
)
_ELSEWHERE = (
    "Outputs are NaN or infinite when the function is called, but not when it is evaluated "
    "equation by equation: the compiler evaluates something in another way, or the function does "
    "not return the same each time."
)


def _blocks(findings: list[Finding], came: list[str]) -> list[Text]:
    if findings:
        return []
    if not came:
        return [_said(_GIVEN)]
    return [_said(f"NaN came in as {', '.join(came)}; no operation of the function made one.")]


def _said(text: str) -> Text:
    return Text(text)


def refuse_traced(args: Any, kwargs: Any) -> None:
    """Raises for values of a trace, of which nothing is known before the program runs."""
    for leaf in jax.tree.leaves((args, kwargs)):
        if kind_of(type(leaf)) == "tracer":
            raise TypeError(
                "nan_origin needs values, got an argument that is traced (inside jax.jit, "
                "jax.grad or jax.vmap): write nan_origin(jax.grad(f))(x) in place of "
                'jax.grad(nan_origin(f))(x), or use jaxkit.transforms.get("nan_origin")(f), which '
                "works inside of them and raises NonFiniteError"
            )


def all_finite(out: Any) -> bool:
    """Whether no leaf has a NaN or an infinity."""
    arrays: list[Any] = []
    for leaf in jax.tree.leaves(out):
        if isinstance(leaf, jax.Array):
            if jnp.issubdtype(leaf.dtype, jnp.inexact):
                arrays.append(leaf)
        elif isinstance(leaf, (float, complex)) or (
            isinstance(leaf, (np.ndarray, np.generic)) and jnp.issubdtype(leaf.dtype, jnp.inexact)
        ):
            row = count_on_host(leaf)
            if row[NAN] or row[INF]:
                return False
    return not arrays or bool(_finite(arrays))


@jax.jit
def _finite(arrays: list[Any]) -> Any:
    """As one program, which is called as fast as JAX can."""
    return functools.reduce(jnp.logical_and, [jnp.all(is_finite(array)) for array in arrays])


def _on_device(leaf: Any) -> Any:
    """NumPy's arrays as JAX's: it is JAX's operations that are asked about."""
    numbers = isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "biufcV"
    return jnp.asarray(leaf) if numbers else leaf


def _kept(fun: Any, args: Any, kwargs: Any) -> Any:
    """The arguments; copies of those that the call gives away, by `donate_argnums`."""
    if not is_jitted(fun):
        return args, kwargs
    info = getattr(fun.trace(*args, **kwargs), "args_info", None)
    if not any(getattr(leaf, "donated", False) for leaf in jax.tree.leaves(info)):
        return args, kwargs
    return jax.tree.map(lambda x: x.copy() if isinstance(x, jax.Array) else x, (args, kwargs))


def _key(args: Any, kwargs: Any) -> Hashable:
    """What decides what is traced; None where that cannot be compared."""
    leaves, structure = jax.tree.flatten((args, kwargs))
    kinds: list[Any] = [structure]
    for leaf in leaves:
        if hasattr(leaf, "dtype") or isinstance(leaf, (bool, int, float, complex)):
            kinds.append((type(leaf).__name__, jax.typeof(leaf)))
        else:
            kinds.append(leaf)
    key = (*kinds, jax.config.jax_enable_x64)
    try:
        hash(key)
    except TypeError:
        return None
    return key
