# JAX's own annotations are partial:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
"""Gradients of a batch that is too large for the memory, from microbatches one after the other."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax.zeros import zeros
from jaxkit.transforms._batch_axes import BatchAxes, Leaf, check_in_axes, keystr
from jaxkit.transforms._transform import transform

__all__ = ["accumulate_gradients"]

Reduction = Literal["mean", "sum"]
AuxReduction = Literal["mean", "sum", "last", "stack", "concatenate"]

_REDUCTIONS: tuple[str, ...] = get_args(Reduction)
_AUX_REDUCTIONS: tuple[str, ...] = get_args(AuxReduction)


def _check(*, n: Any, in_axes: Any, reduction: Any, aux: Any, has_aux: Any) -> None:
    if isinstance(n, bool) or not hasattr(type(n), "__index__") or operator.index(n) < 1:
        raise ValueError(f"n must be a positive integer, the number of microbatches, got n={n!r}")
    if in_axes is not None:
        check_in_axes(in_axes)
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"reduction must be one of {', '.join(_REDUCTIONS)}, got reduction={reduction!r}"
        )
    for word in jax.tree.leaves(aux):
        if word not in _AUX_REDUCTIONS:
            raise ValueError(f"aux must be one of {', '.join(_AUX_REDUCTIONS)}, got aux={aux!r}")
    if aux is not None and not has_aux:
        raise ValueError(f"aux needs has_aux=True, got aux={aux!r} without it")


@transform(tags=("of_gradients", "calls_many"), validate=_check)
def accumulate_gradients(
    fun: Callable[..., Any],
    *,
    n: int,
    in_axes: Mapping[str | int, Any] | None = None,
    has_value: bool = False,
    has_aux: bool = False,
    reduction: Reduction = "mean",
    aux: Any = None,
) -> Callable[..., Any]:
    """Computes gradients in microbatches, one after the other: equal to the full batch to rounding.

    Memory is that of one microbatch and of the gradients once. Under a trace the microbatches run
    in one `jax.lax.scan`, and the function is traced once; outside of one, in a Python loop.
    Example `i` of the batch goes to microbatch `i % n`, which leaves a batch that is sharded over
    devices where it is.

    Example:
        >>> import jax, jax.numpy as jnp, jaxkit
        >>> def loss(w, batch):
        ...     return jnp.mean((batch["x"] @ w - batch["y"]) ** 2)
        >>> step = jaxkit.accumulate_gradients(jax.grad(loss), n=4)
        >>> batch = {"x": jnp.ones((8, 2)), "y": jnp.zeros(8)}
        >>> jax.jit(step)(jnp.ones(2), batch)
        Array([4., 4.], dtype=float32)

    Args:
        fun: `jax.grad(loss)`, `jax.value_and_grad(loss)`, or anything that returns as they do.
        n: How many microbatches. It must divide the size of the batch.
        in_axes: The batch axis of each argument that has one, by name or position:
            `{"batch": 0}`, or a pytree prefix, `{"batch": {"x": 1, "y": 0}}`, with None for what
            has none. By default axis 0 of every array that has one, in all arguments but the first.
        has_value: Whether `fun` returns (value, gradients).
        has_aux: Whether `fun` returns (gradients, aux), or ((value, aux), gradients).
        reduction: What the loss does with the examples of a batch, so that values and gradients are
            put together likewise.
        aux: How the auxiliary outputs are: "mean" or "sum" of the microbatches', the "last" one,
            "stack" for all n along a new first axis, "concatenate" for what has one row an example
            along axis 0, in the batch's order; or a pytree prefix of these. By default the mean, of
            single floating-point numbers only: what anything else means is not to be guessed.

    Returns:
        What `fun` returns for the full batch. float16, bfloat16 and narrower are summed in float32
        and returned in their own dtype.

    Raises:
        ValueError: `n` does not divide the batch, the arguments disagree on its size, or an output
            cannot be put together; the message names the leaf.
        TypeError: `fun` does not return the pair that has_value or has_aux says. That one of them
            was forgotten it cannot tell: a pair may be the gradients of two arguments.

    References:
        The strided split is that of a batch sharded along its axis; see also
        `optax.microbatching` for the same of any function, whose outputs each need an accumulator.
    """
    axes = BatchAxes(fun, in_axes)

    def accumulated(*args: Any, **kwargs: Any) -> Any:
        given = list(args), kwargs
        leaves = axes.leaves(*given)
        _check_divides(n, leaves)
        split = [_split(leaf, n) for leaf in leaves]

        def call(microbatch: list[Any]) -> Any:
            rest = iter(microbatch)
            new_args, new_kwargs = axes.replace(*given, lambda leaf: next(rest))
            return fun(*new_args, **new_kwargs)

        traced = any(
            isinstance(leaf, cast(Any, jax).core.Tracer) for leaf in jax.tree.leaves(given)
        )
        sizes = _Outputs(has_value, has_aux, reduction, aux, leaves[0].size // n)
        return (_scan if traced else _loop)(call, split, n, sizes)

    return accumulated


def _check_divides(n: int, leaves: list[Leaf]) -> None:
    size = leaves[0].size
    if size % n:
        raise ValueError(
            f"n must divide the size of the batch, got n={n} and {leaves[0]}: "
            f"take an n of {', '.join(str(d) for d in range(1, size + 1) if size % d == 0)}, "
            "or pad the batch with jaxkit.bucket"
        )


def _split(leaf: Leaf, n: int) -> Any:
    """The microbatches of an array, along a new first axis."""
    numpy: Any = np if isinstance(leaf.value, np.ndarray) else jnp
    shape, axis = np.shape(leaf.value), leaf.axis
    apart = numpy.reshape(leaf.value, (*shape[:axis], leaf.size // n, n, *shape[axis + 1 :]))
    return numpy.moveaxis(apart, axis + 1, 0)


def _loop(call: Callable[[list[Any]], Any], split: list[Any], n: int, outputs: _Outputs) -> Any:
    """Each microbatch called as the user would call it: what is jitted in it is compiled once."""
    totals: list[Any] = []
    others: list[list[Any]] = []
    for i in range(n):
        flat = outputs.flatten(call([each[i] for each in split]))
        if i == 0:
            totals = outputs.sums(flat)
        else:
            totals = [a + b for a, b in zip(totals, outputs.sums(flat), strict=True)]
        others.append(outputs.others(flat))
    stacked = [jnp.stack([jnp.asarray(x) for x in each]) for each in zip(*others, strict=True)]
    return outputs.assemble(totals, stacked, n)


def _scan(call: Callable[[list[Any]], Any], split: list[Any], n: int, outputs: _Outputs) -> Any:
    # jit's cache makes one trace of the two: for the types, and inside the loop.
    def step(microbatch: list[Any]) -> tuple[list[Any], list[Any]]:
        flat = outputs.flatten(call(microbatch))
        return outputs.sums(flat), outputs.others(flat)

    once = jax.jit(step)
    sums, _ = once.eval_shape([each[0] for each in split])

    def body(totals: list[Any], microbatch: list[Any]) -> Any:
        new, others = once(microbatch)
        return [a + b for a, b in zip(totals, new, strict=True)], others

    begin = [zeros(struct, struct.dtype) for struct in sums]
    totals, stacked = jax.lax.scan(body, begin, split, length=n)
    return outputs.assemble(totals, stacked, n)


class _Outputs:
    """What `fun` returns, leaf by leaf, and how the leaves of the microbatches become one."""

    def __init__(
        self, has_value: bool, has_aux: bool, reduction: str, aux: Any, microbatch: int
    ) -> None:
        self._has_value, self._has_aux = has_value, has_aux
        self._reduction, self._aux = reduction, aux
        self._microbatch = microbatch

    def flatten(self, out: Any) -> list[Any]:
        """The leaves; from then on it is known what is to be done with each."""
        named = self._named(out)
        self._how: list[str] = []
        for label, part in named.items():
            paths, _ = jax.tree_util.tree_flatten_with_path(part)
            for (path, leaf), how in zip(paths, self._hows(label, part), strict=True):
                self._how.append(_check_leaf(label + keystr(path), leaf, how, self._microbatch))
        leaves, self._structure = jax.tree_util.tree_flatten(named)
        self._leaves = [(_dtype(leaf), np.shape(leaf), _weak(leaf)) for leaf in leaves]
        return leaves

    def sums(self, flat: list[Any]) -> list[Any]:
        """Those leaves that are added up, in the dtype for that."""
        return [_widened(leaf) for leaf, how in zip(flat, self._how, strict=True) if how in _SUMS]

    def others(self, flat: list[Any]) -> list[Any]:
        """Those that are all kept."""
        return [
            leaf for leaf, how in zip(flat, self._how, strict=True) if how not in (*_SUMS, "zero")
        ]

    def assemble(self, totals: list[Any], stacked: list[Any], n: int) -> Any:
        """The whole output from the sums and from what was kept."""
        rest_of_totals, rest_of_stacked = iter(totals), iter(stacked)
        made: list[Any] = []
        for how, (dtype, shape, weak) in zip(self._how, self._leaves, strict=True):
            if how == "zero":
                made.append(np.zeros(shape, dtype))
            elif how in _SUMS:
                total = next(rest_of_totals)
                total = total / n if how == "mean" else total
                made.append(total if weak else total.astype(dtype))
            else:
                made.append(_put_together(next(rest_of_stacked), how))
        return self._unnamed(jax.tree_util.tree_unflatten(self._structure, made))

    def _named(self, out: Any) -> dict[str, Any]:
        """Its parts by name, in an order that dicts keep when JAX sorts them."""
        pair = self._has_value or self._has_aux
        if pair and not (isinstance(out, tuple) and len(out) == 2):
            raise TypeError(
                f"with has_value={self._has_value} and has_aux={self._has_aux} the function must "
                f"return a pair, got {type(out).__name__}"
            )
        if self._has_value and self._has_aux:
            head, grads = out
            if not (isinstance(head, tuple) and len(head) == 2):
                raise TypeError(
                    "with has_value=True and has_aux=True the function must return "
                    f"((value, aux), gradients), got {type(head).__name__} for the first of them"
                )
            return {"aux": head[1], "gradients": grads, "value": head[0]}
        if self._has_value:
            return {"gradients": out[1], "value": out[0]}
        return {"aux": out[1], "gradients": out[0]} if self._has_aux else {"gradients": out}

    def _unnamed(self, parts: dict[str, Any]) -> Any:
        if self._has_value:
            head = (parts["value"], parts["aux"]) if self._has_aux else parts["value"]
            return head, parts["gradients"]
        return (parts["gradients"], parts["aux"]) if self._has_aux else parts["gradients"]

    def _hows(self, label: str, part: Any) -> list[str]:
        if label != "aux":
            return [self._reduction] * len(jax.tree.leaves(part))
        how = "guess" if self._aux is None else self._aux
        try:
            return jax.tree.leaves(jax.tree.broadcast(how, part))
        except ValueError as error:
            raise ValueError(
                f"aux must be a word or a tree of words with the structure of the auxiliary "
                f"outputs, got aux={how!r}: {error}"
            ) from error


_SUMS = ("mean", "sum")


def _check_leaf(label: str, leaf: Any, how: str, microbatch: int) -> str:
    """What is done with a leaf.

    Raises:
        ValueError: That cannot be done with this one.
    """
    dtype, shape = _dtype(leaf), np.shape(leaf)
    described = f"{label} is {dtype}[{','.join(map(str, shape))}]"
    if dtype == jax.dtypes.float0:
        return "zero"
    inexact = jnp.issubdtype(dtype, jnp.inexact)
    if how == "guess":
        if inexact and shape == ():
            return "mean"
        raise ValueError(
            f"{described}, which is not averaged unasked: give "
            f"aux={' or '.join(map(repr, _AUX_REDUCTIONS))}, or a tree of these"
        )
    if how == "mean" and not inexact:
        raise ValueError(f"{described}, which has no mean of its own dtype: {_instead(label)}")
    if how == "sum" and not jnp.issubdtype(dtype, jnp.number):
        raise ValueError(f"{described}, which cannot be added up: {_instead(label)}")
    if how == "concatenate" and shape[:1] != (microbatch,):
        raise ValueError(
            f"{described}, which has no row for each of the {microbatch} examples of a "
            f"microbatch: {_instead(label)}"
        )
    return how


def _instead(label: str) -> str:
    if label.startswith("aux"):
        return f"give one of {', '.join(_AUX_REDUCTIONS)} that fits"
    return "gradients and values are floating-point numbers"


def _dtype(leaf: Any) -> Any:
    return jax.dtypes.result_type(leaf) if not hasattr(leaf, "dtype") else leaf.dtype


def _weak(leaf: Any) -> bool:
    return bool(getattr(leaf, "weak_type", not hasattr(leaf, "dtype")))


def _widened(leaf: Any) -> Any:
    """Narrow floats in float32, in which many small numbers still add up."""
    dtype = _dtype(leaf)
    narrow = jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32
    return jnp.asarray(leaf, jnp.float32) if narrow else jnp.asarray(leaf)


def _put_together(stacked: Any, how: str) -> Any:
    if how == "last":
        return stacked[-1]
    if how == "concatenate":
        n, rows, *rest = stacked.shape
        return jnp.moveaxis(stacked, 0, 1).reshape(rows * n, *rest)
    return stacked
