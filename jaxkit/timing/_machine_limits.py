"""`jaxkit.timing.machine_limits`: how fast this device multiplies matrices and moves memory."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jaxkit._jax.tracing import trace_kind
from jaxkit.errors import UsageError
from jaxkit.report import Report, Table, Text
from jaxkit.timing.units import rate_text, seconds_text

__all__ = ["MachineLimits", "machine_limits"]

_SECONDS = 1.8  # for all of it, compilations included
_CALL = 2e-3  # what one multiplication should take, so that dispatch does not count
_SIZES = (512, 1024, 2048, 4096, 8192)
_BYTES = 2**26  # copied: more than the caches of most machines hold
_ROUNDS = 40  # without anything new before it is done


@dataclass(frozen=True)
class MachineLimits:
    """What a device reached with nothing else to do: the two roofs of a roofline.

    Example:
        >>> limits = MachineLimits("cpu", {"float32": 1e11}, 1e10)
        >>> limits.seconds(flops=2e11, bytes=1e9)
        2.0
        >>> limits.fraction(4.0, flops=2e11, bytes=1e9)
        0.5

    Args:
        device: What was measured.
        flops: Operations a second of a product of large matrices, by dtype.
        bandwidth: Bytes a second, read and written ones added, of a large array's copy.
        took: Seconds that measuring took.
        incomplete: What there was no time for.
    """

    device: str
    flops: Mapping[str, float]
    bandwidth: float
    took: float = 0.0
    incomplete: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "flops", MappingProxyType(dict(self.flops)))

    def seconds(self, *, flops: float = 0.0, bytes: float = 0.0, dtype: str = "float32") -> float:  # noqa: A002
        """What some work takes at least: the longer of computing and moving it.

        Args:
            flops: Operations.
            bytes: Read and written.
            dtype: Of the operations; one that was not measured counts as float32.
        """
        rate = self.flops.get(str(dtype)) or self.flops.get("float32") or 0.0
        computing = flops / rate if rate else 0.0
        return max(computing, bytes / self.bandwidth if self.bandwidth else 0.0)

    def fraction(
        self,
        seconds: float,
        *,
        flops: float = 0.0,
        bytes: float = 0.0,  # noqa: A002
        dtype: str = "float32",
    ) -> float | None:
        """How much of what the device can do was done; None where no work is known.

        Above 1 where data stayed in caches, which are faster than memory, or where other programs
        ran on the machine while its limits were measured.

        Args:
            seconds: What the work took.
            flops: Operations.
            bytes: Read and written.
            dtype: Of the operations.
        """
        least = self.seconds(flops=flops, bytes=bytes, dtype=dtype)
        return least / seconds if least and seconds > 0 else None

    @property
    def balance(self) -> float | None:
        """Operations in float32 for each byte, below which memory is what limits a program."""
        rate = self.flops.get("float32")
        return rate / self.bandwidth if rate and self.bandwidth else None

    def report(self) -> Report:
        """The limits as a report."""
        rows = [
            [f"matrix product, {name}", rate_text(rate, "FLOP/s")]
            for name, rate in self.flops.items()
        ]
        if self.bandwidth:
            rows.append(["copy, read and written", rate_text(self.bandwidth, "B/s")])
        data: dict[str, Any] = {
            "device": self.device,
            "flops": dict(self.flops),
            "bandwidth": self.bandwidth,
            "took": self.took,
            "incomplete": list(self.incomplete),
        }
        headline = f"jaxkit: limits of {self.device}, measured in {seconds_text(self.took)}"
        blocks: list[Any] = [
            Text(headline, style="heading"),
            Table(["what", "limit"], rows, align=["left", "right"]),
        ]
        if self.incomplete:
            blocks.append(Text(f"no time was left for {', '.join(self.incomplete)}", style="dim"))
        return Report("machine_limits", data=data, blocks=blocks)

    def __str__(self) -> str:
        return str(self.report())

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()


def machine_limits(device: Any | None = None) -> MachineLimits:
    """How fast a device multiplies matrices and copies memory, measured once in a process.

    The shortest of many short runs in turns counts: a limit is what the device can do, whatever
    else the machine does meanwhile. It takes less than two seconds; later calls return the same.

    Example:
        >>> from jaxkit.timing import machine_limits
        >>> limits = machine_limits()
        >>> machine_limits() is limits, limits.flops["float32"] > 0, limits.bandwidth > 0
        (True, True, True)

    Args:
        device: Which; the default device if left out.

    Returns:
        The `MachineLimits`: products in float32, bfloat16, float16 and, with x64 on, float64, at
        JAX's default precision, which on GPUs and TPUs is lower than that of float32.

    Raises:
        UsageError: It was called while JAX traces.

    References:
        Williams, Waterman and Patterson, Roofline: an insightful visual performance model for
        multicore architectures, CACM 52(4), 2009.
    """
    kind = trace_kind()
    if kind is not None:
        raise UsageError(
            f"machine_limits() was called while {kind} is traced, where nothing runs: call it "
            "outside, before"
        )
    device = _default() if device is None else device
    with _LOCK:
        key = (device, bool(jax.config.jax_enable_x64))
        if key not in _KNOWN:
            _KNOWN[key] = _measure(device)
        return _KNOWN[key]


_LOCK = threading.Lock()
_KNOWN: dict[Any, MachineLimits] = {}


def _default() -> Any:
    chosen: Any = jax.config.jax_default_device
    if isinstance(chosen, str):
        return jax.devices(chosen)[0]
    return chosen if chosen is not None else jax.local_devices()[0]


def _measure(device: Any) -> MachineLimits:
    begin = time.perf_counter()
    dtypes = ["float32", "bfloat16", "float16"]
    if jax.config.jax_enable_x64:
        dtypes.append("float64")
    kernels: dict[str, _Kernel] = {}
    missing: list[str] = []
    # With what else is on, as a transfer guard or NaN checks, other things would be measured.
    with contextlib.ExitStack() as settings:
        settings.enter_context(jax.default_device(device))
        settings.enter_context(jax.transfer_guard("allow"))
        settings.enter_context(jax.debug_nans(False))
        settings.enter_context(jax.disable_jit(False))
        for number, name in enumerate(["copy", *dtypes]):
            # What comes first is wanted most; each may take an equal part of what is left.
            left = begin + _SECONDS - time.perf_counter()
            share = left / (len(dtypes) + 2 - number)
            made = None
            if left > 0:
                made = _copy() if name == "copy" else _product(jnp.dtype(name), within=share)
            if made is None:
                missing.append(name)
            else:
                kernels[name] = made
        _run_in_turns(list(kernels.values()), until=begin + _SECONDS)
    rates = {name: kernel.work / kernel.best for name, kernel in kernels.items()}
    took = time.perf_counter() - begin
    kind = f"{device.platform} ({device.device_kind})"
    bandwidth = rates.pop("copy", 0.0)
    return MachineLimits(kind, rates, bandwidth, took, tuple(missing))


class _Kernel:
    """A program that is repeated, and the shortest time that it took."""

    def __init__(self, run: Callable[[Any], Any], argument: Any, work: float) -> None:
        self.work = work
        self.best = float("inf")
        self._run = run
        self._argument = argument

    def once(self) -> float:
        begin = time.perf_counter()
        out = self._run(self._argument)
        out.block_until_ready()
        seconds = time.perf_counter() - begin
        if self._argument.is_deleted():
            self._argument = out
        self.best = min(self.best, seconds)
        return seconds


def _product(dtype: Any, *, within: float) -> _Kernel | None:
    """Of matrices so large that one product takes long enough, as far as there is time."""
    end = time.perf_counter() + within
    found = None
    for size in _SIZES:
        begin = time.perf_counter()
        try:
            matrix = jax.jit(_matrix, static_argnums=(0, 1))(size, dtype)
            kernel = _Kernel(jax.jit(_square), matrix, 2.0 * size**3)
            kernel.once()  # compiles
            kernel.best = float("inf")
            seconds = min(kernel.once() for _ in range(2))
        except Exception:  # a dtype that this device does not multiply, or no memory
            return found
        found = kernel
        # The next one is eight times the work, and is compiled too.
        cost = time.perf_counter() - begin + 24 * seconds
        if seconds > _CALL or time.perf_counter() + cost > end:
            break
    return found


def _matrix(size: int, dtype: Any) -> jax.Array:
    """Numbers that differ: products of zeros take less power, and less time, on some devices."""
    values = jax.lax.iota(jnp.int32, size * size) % 1021
    return (values.astype(jnp.float32) / 1021 - 0.5).astype(dtype).reshape(size, size)


def _square(matrix: jax.Array) -> jax.Array:
    return matrix @ matrix


def _copy() -> _Kernel | None:
    """A donated array, so that no fresh memory is asked for, which would cost more than copying."""
    try:
        count = _BYTES // 4
        source = jax.jit(lambda: jax.lax.iota(jnp.int32, count))()
        kernel = _Kernel(jax.jit(lambda x: ~x, donate_argnums=0), source, 2.0 * _BYTES)
        for _ in range(2):
            kernel.once()
        kernel.best = float("inf")
        kernel.once()
    except Exception:
        return None
    return kernel


def _run_in_turns(kernels: list[_Kernel], *, until: float) -> None:
    enabled = gc.isenabled()
    gc.disable()
    try:
        stale = 0
        while stale < _ROUNDS:
            before = [kernel.best for kernel in kernels]
            for kernel in kernels:
                if time.perf_counter() + 1.5 * kernel.best > until:
                    return
                kernel.once()
            better = any(k.best < 0.99 * b for k, b in zip(kernels, before, strict=True))
            stale = 0 if better else stale + 1
    finally:
        if enabled:
            gc.enable()
