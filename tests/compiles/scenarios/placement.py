"""Where arrays are and what the context says: devices, shardings, layouts, config values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.layout import Format, Layout
from jax.sharding import AxisType, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from tests.compiles.scenarios._base import QUIET, again, ran, scenario, step

X = np.ones((4, 4), np.float32)


def double() -> Any:
    """Make a fresh jitted function of one argument."""

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    return f


def product() -> Any:
    """Make a fresh jitted matrix product."""

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x @ x

    return f


def mesh(axis_type: AxisType = AxisType.Auto) -> jax.sharding.Mesh:
    """Make a mesh of all four devices."""
    return jax.make_mesh((4,), ("d",), axis_types=(axis_type,))


def put(*spec: str | None, on: jax.sharding.Mesh | None = None) -> jax.Array:
    """Place X on the mesh."""
    return jax.device_put(X, NamedSharding(mesh() if on is None else on, P(*spec)))


# Same aval, so the trace is found; the lowering's key has the committed devices.
@scenario(step("0/0/1/1", again("f", "sharding-or-device", at="x")))
def committed_vs_uncommitted() -> Iterator[None]:
    f = double()
    committed = jax.device_put(X, jax.devices()[0])
    f(X)
    yield
    f(committed)
    yield


# The output of a call on uncommitted arrays is uncommitted (#1 hits); a committed one is not (#2).
@scenario(QUIET, step("0/0/1/1", again("f", "sharding-or-device", at="x")))
def uncommitted_then_committed_output_feedback() -> Iterator[None]:
    f = double()
    state = f(X)
    yield
    state = f(state)
    yield
    f(jax.device_put(state, jax.devices()[0]))
    yield


# The lowering has no device in it and is found; only the executable is per device. One program
# a device is by design: info, not a warning.
@scenario(step("0/0/0/1", again("f", "sharding-or-device", at="x", severity="info")))
def other_device() -> Iterator[None]:
    f = double()
    # One line that serves one device after the other: work spread by hand, which is by design.
    for device in jax.devices()[:2]:
        f(jax.device_put(X, device))
        yield


# jax_default_device is part of the trace context, hence of every cache key.
@scenario(step("1/1/1/1", again("f", "config-context", mentions="default_device")))
def default_device_ctx() -> Iterator[None]:
    f = double()
    f(X)
    yield
    with jax.default_device(jax.devices()[1]):
        f(X)
    yield


# An Auto mesh's spec is not in the aval: traced once, lowered for each sharding.
@scenario(step("0/0/1/1", again("f", "sharding-or-device", at="x")))
def named_sharding_change() -> Iterator[None]:
    f = double()
    rows, columns = put("d", None), put(None, "d")
    f(rows)
    yield
    f(columns)
    yield


# An Explicit mesh's spec is in the aval (f32[4@d,4]): traced again.
@scenario(step("1/1/1/1", again("f", "sharding-or-device", at="x")))
def named_sharding_change_explicit() -> Iterator[None]:
    f = double()
    explicit = mesh(AxisType.Explicit)
    rows, columns = put("d", None, on=explicit), put(None, "d", on=explicit)
    f(rows)
    yield
    f(columns)
    yield


# The aval of a NamedSharding array names its mesh, that of a single-device array none.
@scenario(step("1/1/1/1", again("f", "sharding-or-device", at="x")))
def single_device_vs_named_sharding() -> Iterator[None]:
    f = double()
    single, spread = jax.device_put(X, jax.devices()[0]), put("d")
    f(single)
    yield
    f(spread)
    yield


@scenario(QUIET)
def spec_trailing_none() -> Iterator[None]:
    f = double()
    short, long = put("d"), put("d", None)
    f(short)
    yield
    f(long)
    yield


@scenario(QUIET)
def fresh_equal_sharding() -> Iterator[None]:
    f = double()
    one, two = put("d"), put("d")
    f(one)
    yield
    f(two)
    yield


# The current mesh is part of the trace context.
@scenario(step("1/1/1/1", again("f", "config-context", mentions="mesh")))
def set_mesh_context() -> Iterator[None]:
    f = double()
    x = jnp.asarray(X)
    f(x)
    yield
    with jax.set_mesh(mesh()):
        f(x)
    yield


# The memory space is part of the aval (f32<host>[4,4]). It is a matter of placement: same
# shape, dtype and weak type.
@scenario(step("1/1/1/1", again("f", "sharding-or-device", at="x")))
def memory_kind_change() -> Iterator[None]:
    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x

    device = jax.devices()[0]
    usual = jax.device_put(X, SingleDeviceSharding(device, memory_kind="device"))
    host = jax.device_put(X, SingleDeviceSharding(device, memory_kind="pinned_host"))
    f(usual)
    yield
    f(host)
    yield


# The layout is not in the aval but in the lowering's key, beside the sharding.
@scenario(step("0/0/1/1", again("f", "sharding-or-device", at="x")))
def layout_change() -> Iterator[None]:
    f = double()
    sharding = SingleDeviceSharding(jax.devices()[0])
    rows, columns = (
        jax.device_put(X, Format(Layout(order), sharding)) for order in ((0, 1), (1, 0))
    )
    f(rows)
    yield
    f(columns)
    yield


# jax_default_matmul_precision is part of the trace context.
@scenario(step("1/1/1/1", again("f", "config-context", mentions="matmul_precision")))
def cfg_matmul_precision() -> Iterator[None]:
    f = product()
    f(X)
    yield
    with jax.default_matmul_precision("float32"):
        f(X)
    yield


# jax_enable_x64 is part of the trace context; the argument is f32 both times.
@scenario(step("1/1/1/1", again("f", "config-context", mentions="enable_x64")))
def cfg_enable_x64() -> Iterator[None]:
    f = double()
    f(X)
    yield
    with jax.enable_x64(True):
        f(X)
    yield


@scenario(QUIET)
def cfg_debug_nans() -> Iterator[None]:
    f = double()
    x = jnp.asarray(X)
    f(x)
    yield
    with jax.debug_nans(True):
        f(x)
    yield


# jax_numpy_rank_promotion is part of the trace context.
@scenario(step("1/1/1/1", again("f", "config-context", mentions="rank_promotion")))
def cfg_rank_promotion() -> Iterator[None]:
    f = double()
    f(X)
    yield
    with jax.numpy_rank_promotion("raise"):
        f(X)
    yield


@scenario(QUIET)
def cfg_log_compiles_ctx() -> Iterator[None]:
    f = double()
    f(X)
    yield
    with jax.log_compiles():
        f(X)
    yield


@scenario(QUIET, QUIET)
def cfg_checking_leaks() -> Iterator[None]:
    f = double()
    f(X)
    yield
    with jax.checking_leaks():
        f(X)
    yield
    f(X)
    yield


# The same value by jax.config.update, restored at the end.
@scenario(step("1/1/1/1", again("f", "config-context", mentions="matmul_precision")))
def cfg_update_global() -> Iterator[None]:
    f = product()
    f(X)
    yield
    jax.config.update("jax_default_matmul_precision", "float32")
    try:
        f(X)
        yield
    finally:
        jax.config.update("jax_default_matmul_precision", None)


@scenario(QUIET)
def cfg_default_prng_impl() -> Iterator[None]:
    f = double()
    f(X)
    yield
    with jax.default_prng_impl("rbg"):
        f(X)
    yield


@scenario(QUIET)
def named_scope_ctx() -> Iterator[None]:
    f = double()
    f(X)
    yield
    with jax.named_scope("inner"):
        f(X)
    yield


# Donation is in the lowering's key, not in the trace's: the body does not run again.
@scenario(step("0/1/1/1", again("f", "jit-options", mentions="donate")))
def donate_new_wrapper_same_fn() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    jax.jit(f)(X)
    yield
    jax.jit(f, donate_argnums=0)(X)
    yield


# Compiler options are in the executable's key alone.
@scenario(step("0/1/0/1", again("f", "jit-options", mentions="compiler_options")))
def compiler_options_rewrap() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    jax.jit(f)(X)
    yield
    jax.jit(f, compiler_options={"xla_embed_ir_in_executable": True})(X)
    yield


# Output shardings are in the lowering's key.
@scenario(step("0/1/1/1", again("f", "jit-options", mentions="out_shardings")))
def out_shardings_rewrap() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    jax.jit(f)(X)
    yield
    jax.jit(f, out_shardings=SingleDeviceSharding(jax.devices()[0]))(X)
    yield
