"""`nan_origin` as a transform: it looks at the outputs, and asks for their origin if they are bad.

In a healthy run nothing is computed but whether the outputs are finite and, where the function is
differentiated, whether what its backward pass gives is.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit._jax.evaluated import as_function
from jaxkit._jax.jitted import is_jitted
from jaxkit._jax.tracing import trace_kind
from jaxkit._jax.values import kind_of
from jaxkit._jax.x64 import with_x64
from jaxkit.compiles.summary import place
from jaxkit.errors import NonFiniteError
from jaxkit.numerics._calls import Target
from jaxkit.numerics.nan_origin import all_finite, report_of
from jaxkit.numerics.nonfinite.codes import is_finite
from jaxkit.numerics.nonfinite.find import Origin
from jaxkit.numerics.nonfinite.programs import program_of, program_with_fixed
from jaxkit.numerics.nonfinite.raising import Raiser, on_a_thread
from jaxkit.numerics.nonfinite.tracing import is_inexact
from jaxkit.report import Finding, Report
from jaxkit.transforms import transform

__all__ = ["guard"]

# How long JAX may take to answer while a callback waits; then there is an error without origin.
_PATIENCE = 20.0


@transform(name="nan_origin", tags=("keeps_state", "may_raise"))
def guard(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Stops at the first output that is not finite, and says which operation made it so.

    Args:
        fun: A function of any pytrees.

    Returns:
        The function, watched: also the gradients that come back through it.

    Raises:
        NonFiniteError: An output or a gradient has a NaN or an infinity that was not meant.
    """
    watch = _Watch(fun)

    def watched(*args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree.leaves((args, kwargs))
        if trace_kind() is None and not any(kind_of(type(leaf)) == "tracer" for leaf in leaves):
            return watch.call(args, kwargs)
        return watch.stage(args, kwargs)

    return watched


class _Watch:
    """Looks at one wrapped function."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        self._fun = fun
        self._raiser = Raiser()

    def call(self, args: Any, kwargs: Any) -> Any:
        """With values: the function runs as it is."""
        out = self._fun(*args, **kwargs)
        if not all_finite(out):
            program = program_of(self._fun, args, kwargs)
            error = self._error(report_of(Origin(program, barriers=True), program))
            if error is not None:
                self._raiser.here(error)
        return out

    def stage(self, args: Any, kwargs: Any) -> Any:
        """Under a trace: what it has looked at becomes part of the program."""
        try:
            program = program_with_fixed(self._fun, args, kwargs)
        except (jax.errors.ConcretizationTypeError, jax.errors.UnexpectedTracerError):
            return self._fun(*args, **kwargs)  # its branches depend on values: not looked at
        inputs = program.inputs
        if not all(jaxprs.is_array_type(jax.typeof(value)) for value in inputs):
            return self._fun(*args, **kwargs)  # references to what changes while it runs
        seen = _Seen(program, threading.get_ident(), jitted=is_jitted(self._fun))
        kept = [_plain(lax.stop_gradient(value)) for value in inputs]
        outs = seen.evaluate(*(self._tapped(i, x, kept, seen) for i, x in enumerate(inputs)))
        bad = _any_bad([lax.stop_gradient(out) for out in outs])
        if bad is not None:
            self._tell(bad, functools.partial(self._forward, seen), kept)
        return jax.tree.unflatten(jax.tree.structure(program.results), outs)

    def _tapped(self, number: int, value: Any, kept: Sequence[Any], seen: _Seen) -> Any:
        """The value, with an eye on its cotangent. It is linear, so that it has all derivatives."""
        if not is_inexact(jax.typeof(value)) or kind_of(type(value)) != "tracer":
            return value

        def backwards(_: Any, cotangent: Any) -> Any:
            bad = _any_bad([lax.stop_gradient(cotangent)])
            self._tell(bad, functools.partial(self._backward, seen, number), kept)
            return cotangent

        return lax.custom_linear_solve(lambda x: x, value, lambda _, x: x, backwards)

    def _tell(self, bad: Any, told: Callable[..., None], kept: Sequence[Any]) -> None:
        some = _over_examples(bad)
        if kind_of(type(some)) != "tracer":
            if not bool(some):
                return
            if not any(kind_of(type(each)) == "tracer" for each in (bad, *kept)):
                told(bad, *kept, here=True)
        lax.cond(
            some,
            lambda flag, *values: jax.debug.callback(told, flag, *values),
            lambda flag, *values: None,
            bad,
            *kept,
        )

    def _forward(self, seen: _Seen, bad: Any, *inputs: Any, here: bool = False) -> None:
        if bool(bad):
            self._raise(seen, lambda: seen.report(inputs), here=here)

    def _backward(
        self, seen: _Seen, number: int, bad: Any, *inputs: Any, here: bool = False
    ) -> None:
        if bool(bad):
            self._raise(seen, lambda: seen.report_backwards(number, inputs), here=here)

    def _raise(self, seen: _Seen, analyse: Callable[[], Any], *, here: bool) -> None:
        if here:
            error = self._error(analyse())
            if error is not None:
                self._raiser.here(error)
            return
        error = self._error(on_a_thread(analyse, seconds=_PATIENCE))
        if error is not None:
            self._raiser.from_callback(error, seen.thread)

    def _error(self, report: Report | None) -> NonFiniteError | None:
        """None if what is not finite was meant."""
        if report is None or (not report.findings and not report.data["arguments"]):
            return None
        target = Target.of(self._fun)
        at = "" if target.where is None else f" ({place(target.where.file, target.where.line)})"
        head = f"{target.name}{at} returned a value that is not finite"
        lines = [_line(finding) for finding in report.findings]
        lines += [f"NaN came in as {name}" for name in report.data["arguments"]]
        return NonFiniteError(report, "\n  ".join([head, *lines]))


class _Seen:
    """A program that was staged, and what is compiled for it when something is wrong."""

    def __init__(self, program: jaxprs.Program, thread: int, *, jitted: bool) -> None:
        self.thread = thread
        self.evaluate = as_function(program, jitted=jitted)
        self._program = program._replace(inputs=())  # values of a trace must not outlive it
        self._keys = [_key_of(value) for value in program.inputs]
        self._x64 = bool(jax.config.jax_enable_x64)

    def report(self, values: Sequence[Any]) -> Report | None:
        """On a run with these inputs."""
        with self._as_staged():
            program = self._program._replace(inputs=self._inputs(values))
            return report_of(Origin(program), program)

    def report_backwards(self, number: int, values: Sequence[Any]) -> Report | None:
        """On the backward pass of it, to one of the inputs."""
        with self._as_staged():
            inputs = self._inputs(values)
            program = jaxprs.trace(functools.partial(self._gradient, number), inputs, {})
            return report_of(Origin(program), program)

    def _gradient(self, number: int, *values: Any) -> Any:
        def of_one(value: Any) -> Any:
            outs = self.evaluate(*values[:number], value, *values[number + 1 :])
            return [out for out in outs if is_inexact(jax.typeof(out))]

        outs, back = jax.vjp(of_one, values[number])
        return back([jnp.ones_like(out) for out in outs])[0]

    def _inputs(self, values: Sequence[Any]) -> tuple[Any, ...]:
        both = zip(values, self._keys, strict=True)
        return tuple(
            value if key is None else jax.random.wrap_key_data(jnp.asarray(value), impl=key)
            for value, key in both
        )

    def _as_staged(self) -> Any:
        """In the thread of ours the settings are JAX's own."""
        return with_x64() if self._x64 else contextlib.nullcontext()


def _key_of(value: Any) -> Any:
    """Of which kind the keys are that a value holds; None for other values."""
    return jax.random.key_impl(value) if jaxprs.is_key(jax.typeof(value)) else None


def _plain(value: Any) -> Any:
    """As an array that a callback can take."""
    return jax.random.key_data(value) if jaxprs.is_key(jax.typeof(value)) else value


def _line(finding: Finding) -> str:
    where = "" if finding.where is None else f"{place(finding.where.file, finding.where.line)}: "
    fix = f"\n    fix: {finding.fix}" if finding.fix else ""
    return f"{where}{finding.kind}: {finding.message}{fix}"


def _any_bad(outs: Sequence[Any]) -> Any:
    flags = [jnp.any(~is_finite(out)) for out in outs if is_inexact(jax.typeof(out))]
    return functools.reduce(jnp.logical_or, flags) if flags else None


@jax.custom_batching.custom_vmap
def _over_examples(bad: Any) -> Any:
    return bad


@_over_examples.def_vmap
def _(size: int, batched: list[bool], bad: Any) -> Any:
    del size
    return (_over_examples(jnp.any(bad, axis=0)), False) if batched[0] else (bad, False)
