# JAX's own annotations are partial:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Arguments of many sizes padded to a few, so that a jitted function compiles a few times."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import jax
import numpy as np

from jaxkit.transforms._batch_axes import BatchAxes, Leaf, check_in_axes, with_axes
from jaxkit.transforms._padding import cut, pad
from jaxkit.transforms._transform import transform

__all__ = ["bucket", "powers_of_two"]

Sizes = int | Iterable[int] | Callable[[int], int]


def powers_of_two(lowest: int, highest: int) -> tuple[int, ...]:
    """Bucket sizes of which each is twice the one before: at most half of a batch is padding.

    Example:
        >>> powers_of_two(16, 100)
        (16, 32, 64, 128)

    Args:
        lowest: The smallest size is the first power of two that is not below it.
        highest: The largest size is the first that is not below this.

    Raises:
        ValueError: Not `1 <= lowest <= highest`.
    """
    if not 1 <= lowest <= highest:
        raise ValueError(
            f"sizes must be 1 or more and go up, got lowest={lowest} and highest={highest}"
        )
    size = 1 << (lowest - 1).bit_length()
    found = [size]
    while size < highest:
        found.append(size := 2 * size)
    return tuple(found)


def _check(*, in_axes: Any, sizes: Any, mask: Any) -> None:
    check_in_axes(in_axes)
    _known_sizes(sizes)
    if mask is not None and not (isinstance(mask, str) and mask.isidentifier()):
        raise TypeError(f"mask must be the name of an argument, or None, got mask={mask!r}")


def _known_sizes(sizes: Any) -> tuple[int, ...] | None:
    """The sizes in order; None if a function tells them."""
    if callable(sizes):
        return None
    given: Any = [sizes] if isinstance(sizes, int) else sizes
    rule = "sizes must be positive integers, or a function from a size to its bucket"
    if not isinstance(given, Iterable):
        raise TypeError(f"{rule}, got sizes={sizes!r} of type {type(sizes).__name__}")
    listed = list(cast("Iterable[Any]", given))
    whole = all(isinstance(each, (int, np.integer)) and each >= 1 for each in listed)
    if not listed or not whole or any(isinstance(each, bool) for each in listed):
        raise ValueError(f"{rule}, got sizes={sizes!r}")
    return tuple(sorted({int(each) for each in listed}))


@transform(tags=("changes_signature",), validate=_check)
def bucket(
    fun: Callable[..., Any],
    *,
    in_axes: Mapping[str | int, Any],
    sizes: Sizes,
    out_axes: Any = None,
    mask: str | None = "mask",
) -> Callable[..., Any]:
    """Pads arguments to the next of a few sizes, so that a jitted function compiles that often.

    It belongs around `jax.jit`, not inside: `bucket(jax.jit(f), ...)`. The padding is zeros at the
    end of the axis; what is real is told to the function by a mask, without which a mean over the
    batch would be another. Arrays of NumPy, and JAX's on a CPU, are padded and cut without
    compiling anything; elsewhere each size compiles a copy, so pad before the transfer.

    Example:
        >>> import jax, jax.numpy as jnp, numpy as np, jaxkit
        >>> @jaxkit.bucket(in_axes={"x": 0}, sizes=(4, 8))
        ... @jax.jit
        ... def mean(x, *, mask):
        ...     return jnp.sum(x, where=mask) / jnp.sum(mask)
        >>> [float(mean(np.ones(n))) for n in (2, 3, 7)]  # compiles twice
        [1.0, 1.0, 1.0]

    Args:
        fun: The function. It takes the mask, and is called without it.
        in_axes: The axis to pad of each argument that has one, by name or position: `{"x": 0}`,
            or a pytree prefix, `{"batch": {"x": 1, "lengths": 0}}`, with None for what has none.
            The arguments must agree on the size.
        sizes: The buckets, such as `(32, 64)` or `jaxkit.transforms.powers_of_two(32, 512)`; or a
            function that returns the bucket of a size.
        out_axes: The axis to cut back to the true size of each output, or a pytree prefix of them;
            None for what has none.
        mask: The name of the argument that gets a boolean array of the bucket's size, True for
            what is real. None if the function needs none.

    Returns:
        What `fun` returns, cut back.

    Raises:
        ValueError: More than the largest bucket, or the arguments disagree on the size.
        TypeError: `fun` does not take the mask, or an argument that in_axes names.
    """
    outside = _Mask(fun, mask)
    axes = BatchAxes(fun, in_axes, signature=outside.signature)
    known = _known_sizes(sizes)

    def bucketed(*args: Any, **kwargs: Any) -> Any:
        given = list(args), kwargs
        leaf = axes.leaves(*given)[0]
        size = leaf.size
        target = _choose(leaf, known, sizes)
        new_args, new_kwargs = axes.replace(*given, lambda each: pad(each.value, each.axis, target))
        outside.add(new_args, new_kwargs, np.arange(target) < size)
        out = fun(*new_args, **new_kwargs)
        return _cut_back(out, out_axes, target, size)

    if outside.signature is not None:
        cast(Any, bucketed).__signature__ = outside.signature
    return bucketed


def _choose(leaf: Leaf, known: tuple[int, ...] | None, sizes: Any) -> int:
    if known is None:
        target = sizes(leaf.size)
        if isinstance(target, bool) or not isinstance(target, int) or target < leaf.size:
            raise ValueError(
                f"sizes must return an integer that is not below what it is given, "
                f"got sizes({leaf.size})={target!r}"
            )
        return target
    for target in known:
        if target >= leaf.size:
            return target
    raise ValueError(
        f"{leaf} is more than the largest bucket, {known[-1]}: "
        f"add a size to sizes={known}, or call it with less"
    )


def _cut_back(out: Any, out_axes: Any, target: int, size: int) -> Any:
    if out_axes is None:
        return out

    def cut_one(label: str, value: Any, axis: int) -> Any:
        if np.shape(value)[axis] != target:
            raise ValueError(
                f"out_axes names what has the bucket's size, {target}, got {label} with "
                f"{np.shape(value)[axis]} along axis {axis}: give it None"
            )
        return cut(value, axis, size)

    return with_axes(out, out_axes, cut_one, label="output", option="out_axes")


class _Mask:
    """The argument that the function takes and its caller does not give."""

    def __init__(self, fun: Callable[..., Any], name: str | None) -> None:
        self._name = name
        self._place: int | None = None
        self.signature: inspect.Signature | None = None
        if name is None:
            return
        try:
            signature = inspect.signature(fun)
        except (TypeError, ValueError):
            return
        parameters = list(signature.parameters.values())
        called = getattr(fun, "__name__", type(fun).__name__)
        if name not in signature.parameters:
            if any(each.kind is each.VAR_KEYWORD for each in parameters):
                return
            raise TypeError(
                f"bucket() passes the mask as {name!r}, which {called}{signature} does not take: "
                "add the argument, or give its name with mask=, or mask=None if what is padded "
                "cannot change the result"
            )
        place = list(signature.parameters).index(name)
        if parameters[place].kind is not inspect.Parameter.KEYWORD_ONLY:
            self._place = place
        rest = [each for each in parameters if each.name != name]
        self.signature = signature.replace(parameters=rest)

    def add(self, args: list[Any], kwargs: dict[str, Any], real: Any) -> None:
        """Puts the mask into a call.

        Raises:
            TypeError: The caller gave one.
        """
        if self._name is None:
            return
        if self._name in kwargs:
            raise TypeError(
                f"bucket() makes the argument {self._name!r} itself: leave it out of the call"
            )
        value = jax.device_put(real)  # jnp.asarray compiles a copy for each size
        if self._place is not None and self._place <= len(args):
            args.insert(self._place, value)
        else:
            kwargs[self._name] = value
