"""Array-likes as JAX's caches see them: dtype, shape, weak type, placement; never their values.

Read on JAX 0.10.2 and 0.12.0.1. Nothing here blocks, transfers or keeps an array.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.core
import numpy as np

_SHORT = {
    "float": "f",
    "uint": "u",
    "int": "i",
    "complex": "c",
}


class ArrayFacts(NamedTuple):
    """What decides whether two arrays share a program."""

    kind: str
    type: str
    weak_type: bool
    sharding: str | None
    committed: bool


_dtype_names: dict[Any, str] = {}
_numpy_dtypes: dict[tuple[Any, bool], str] = {}
_types: dict[tuple[str, tuple[Any, ...]], str] = {}
_shardings: dict[Any, str] = {}


def dtype_name(dtype: Any) -> str:
    """``float32`` as ``f32``; names without such a form (bf16, keys, fp8) close to JAX's own."""
    name = _dtype_names.get(dtype)
    if name is None:
        text = getattr(dtype, "name", None) or str(dtype)
        name = {"bfloat16": "bf16"}.get(text, text)
        for long, short in _SHORT.items():
            if name.startswith(long) and name[len(long) :].isdigit():
                name = short + name[len(long) :]
                break
        if name.startswith("float"):
            name = "f" + name[len("float") :]
        _dtype_names[dtype] = name
    return name


def type_text(dtype: str, shape: tuple[Any, ...]) -> str:
    """``f32[32,17]``."""
    key = (dtype, shape)
    try:
        text = _types.get(key)
    except TypeError:  # a symbolic dimension that does not hash
        return f"{dtype}[{','.join(map(str, shape))}]"
    if text is None:
        if len(_types) > 10_000:
            _types.clear()
        text = _types[key] = f"{dtype}[{','.join(map(str, shape))}]"
    return text


# What a type is, asked once a type: `isinstance(x, jax.Array)` runs Python code in JAX.
_kinds: dict[type, str] = {}


def kind_of(kind: type) -> str:
    """``jax``, ``tracer``, ``numpy``, ``number`` or ``other``, for a type."""
    word = _kinds.get(kind)
    if word is None:
        if issubclass(kind, jax.core.Tracer):
            word = "tracer"
        elif issubclass(kind, (np.ndarray, np.generic)):
            word = "numpy"
        elif issubclass(kind, (bool, int, float, complex)):
            word = "number"
        else:
            word = "jax" if issubclass(kind, jax.Array) else "other"
        if len(_kinds) > 5_000:
            _kinds.clear()
        _kinds[kind] = word
    return word


def is_array(value: Any) -> bool:
    """Whether it is a JAX or NumPy array (or NumPy scalar), a tracer included."""
    return kind_of(type(value)) in ("jax", "numpy", "tracer")


def array_facts(value: Any, *, layouts: bool = False) -> ArrayFacts | None:
    """Facts of an array, Python number, `jax.ShapeDtypeStruct` or aval; None for anything else.

    Args:
      value: what to describe.
      layouts: whether to read memory layouts too, which is slow; a layout never changes a trace.
    """
    kind = kind_of(type(value))
    if kind == "jax":
        return _jax_array(value, layouts)
    if kind == "numpy":
        name = _canonical(value.dtype)
        return ArrayFacts("array", type_text(name, value.shape), False, None, False)
    if kind == "number":
        return ArrayFacts("python", _python_type(value), not isinstance(value, bool), None, False)
    if kind == "tracer":
        return _tracer(value)
    return _abstract(value)


def _jax_array(value: Any, layouts: bool) -> ArrayFacts:
    aval = value.aval
    text = type_text(dtype_name(aval.dtype), aval.shape)
    if not value.committed:
        return ArrayFacts("array", text, aval.weak_type, None, False)
    sharding = sharding_text(value.sharding, len(aval.shape))
    if layouts and len(aval.shape) > 1:
        layout = _layout(value, len(aval.shape))
        if layout:
            sharding = f"{sharding}, {layout}"
    return ArrayFacts("array", text, aval.weak_type, sharding, True)


def _tracer(value: Any) -> ArrayFacts:
    aval = value.aval
    text = type_text(dtype_name(aval.dtype), aval.shape)
    return ArrayFacts("array", text, bool(getattr(aval, "weak_type", False)), None, False)


def _abstract(value: Any) -> ArrayFacts | None:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is None or not isinstance(shape, tuple):
        return None
    sharding = getattr(value, "sharding", None)
    placed = isinstance(value, jax.ShapeDtypeStruct) and sharding is not None
    text = sharding_text(sharding, len(shape)) if placed else None
    weak = bool(getattr(value, "weak_type", False))
    return ArrayFacts("array", type_text(dtype_name(dtype), shape), weak, text, placed)


def _canonical(dtype: Any) -> str:
    x64 = bool(jax.config.jax_enable_x64)
    name = _numpy_dtypes.get((dtype, x64))
    if name is None:
        try:
            name = dtype_name(jax.dtypes.canonicalize_dtype(dtype))
        except TypeError:
            name = dtype_name(dtype)
        _numpy_dtypes[dtype, x64] = name
    return name


def _python_type(value: complex) -> str:
    if isinstance(value, bool):
        return "bool[]"
    wide = bool(jax.config.jax_enable_x64)
    letter = "i" if isinstance(value, int) else "f" if isinstance(value, float) else "c"
    bits = (64 if wide else 32) * (2 if letter == "c" else 1)
    return f"{letter}{bits}[]"


def _layout(value: Any, ndim: int) -> str | None:
    """The memory layout, where it is not the default row-major one."""
    try:
        order = value.format.layout.major_to_minor
    except (AttributeError, RuntimeError, ValueError):
        return None
    if tuple(order) == tuple(range(ndim)):
        return None
    return f"layout {tuple(order)}"


def sharding_text(sharding: Any, ndim: int) -> str:
    """A placement in words, equal for placements that JAX treats as equal.

    ``cpu:0`` for one device; ``P('data', None) on (data=4) cpu:0-3`` for a mesh; a memory kind
    other than the device's own is said.
    """
    try:
        text = _shardings.get(sharding)
        if text is None:
            if len(_shardings) > 2_000:
                _shardings.clear()
            text = _shardings[sharding] = _sharding_text(sharding)
        return text
    except Exception:
        return type(sharding).__name__


def _sharding_text(sharding: Any) -> str:
    kind = getattr(sharding, "memory_kind", None)
    memory = f", memory {kind}" if kind not in (None, "device", _default_memory(sharding)) else ""
    if isinstance(sharding, jax.sharding.NamedSharding):
        mesh = sharding.mesh
        spec = list(sharding.spec)
        while spec and spec[-1] is None:
            spec.pop()
        axes = ", ".join(f"{name}={size}" for name, size in mesh.shape.items())
        explicit = [str(t) for t in getattr(mesh, "axis_types", ()) or () if "Explicit" in str(t)]
        types = " explicit" if explicit else ""
        entries = ", ".join(repr(entry) for entry in spec)
        return f"P({entries}) on ({axes}){types} {_devices(mesh)}{memory}"
    devices = getattr(sharding, "device_set", None)
    if devices is not None and len(devices) == 1:
        return f"{_device(next(iter(devices)))}{memory}"
    return f"{str(sharding)[:200]}{memory}"


def _default_memory(sharding: Any) -> str | None:
    try:
        device = next(iter(sharding.device_set))
        return device.default_memory().kind
    except Exception:
        return None


def _device(device: Any) -> str:
    return f"{device.platform}:{device.id}"


def _devices(mesh: Any) -> str:
    devices = getattr(mesh, "devices", None)
    if devices is None:
        return "abstract"
    flat = list(devices.flat)
    ids = [device.id for device in flat]
    name = flat[0].platform
    if ids == list(range(ids[0], ids[0] + len(ids))):
        return f"{name}:{ids[0]}-{ids[-1]}" if len(ids) > 1 else f"{name}:{ids[0]}"
    return f"{name}:{','.join(map(str, ids[:32]))}"
