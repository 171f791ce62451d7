"""Small programs that use everything that JAX has, each with arguments: `EXAMPLES`, by name.

A function that makes an example returns (fun, args). Nothing is computed when this is imported.

Longer than 400 lines, as it is a table: each case is a few lines, and one place has them all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.experimental import io_callback
from jax.sharding import AxisType, PartitionSpec


class Example(NamedTuple):
    """A program.

    Attributes:
      name: of the example.
      make: gives the function and its positional arguments.
      grad: whether JAX can differentiate it backwards by its first argument.
      vmap: whether JAX can map it over a new first axis of all its arguments.
    """

    name: str
    make: Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]
    grad: bool
    vmap: bool


EXAMPLES: dict[str, Example] = {}


def example(*, grad: bool = True, vmap: bool = True) -> Callable[[Any], Any]:
    def register(make: Any) -> Any:
        EXAMPLES[make.__name__] = Example(make.__name__, make, grad, vmap)
        return make

    return register


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def mesh_of(count: int = 4) -> jax.sharding.Mesh:
    return jax.make_mesh((count,), ("i",), axis_types=(AxisType.Auto,))


P = PartitionSpec


# Numbers of all kinds.


@example()
def elementwise() -> Any:
    return lambda x: jnp.sin(x) * 2 + jnp.exp(-(x**2)) / (1 + jnp.abs(x)), (normal(5),)


@example(vmap=False)
def python_number() -> Any:
    return lambda x: (x * 2, x + np.float32(1), jnp.sqrt(x) ** 2), (2.5,)


@example(grad=False)
def integers() -> Any:
    return lambda x: (x // 3, x % 3, x << 1, -x, lax.population_count(x)), (np.arange(-4, 5),)


@example(grad=False)
def booleans() -> Any:
    return lambda x: (x & ~x, x.any(), jnp.where(x, 1, 2), x.sum()), (np.array([True, False]),)


@example(grad=False)
def unsigned_bytes() -> Any:
    return lambda x: (x + x, x.astype(jnp.int4), ~x), (np.arange(250, 256).astype(np.uint8),)


@example(grad=False)
def complex_numbers() -> Any:
    return lambda x: (x * x.conj(), jnp.abs(x), jnp.exp(x).imag), (normal(4) + 1j * normal(4),)


@example()
def bfloat16() -> Any:
    return lambda x: jax.nn.softmax(x.astype(jnp.bfloat16) @ x.astype(jnp.bfloat16)), (
        normal(4, 4),
    )


@example()
def float16() -> Any:
    return lambda x: jnp.tanh(x.astype(jnp.float16)) * jnp.float16(3), (normal(4),)


@example(grad=False)
def float8() -> Any:
    return lambda x: x.astype(jnp.float8_e4m3fn).astype(jnp.float32) * 2, (normal(7),)


@example(grad=False, vmap=False)
def no_arguments() -> Any:
    return lambda: (jnp.arange(3) * 2.0, {"a": jnp.float32(1)}, None, 3), ()


@example(grad=False)
def no_arrays_out() -> Any:
    return lambda x: None, (normal(2),)


@example()
def zero_sized() -> Any:
    return lambda x: (x.sum(0), x * 2, jnp.concatenate([x, x])), (normal(0, 3),)


@example(grad=False)
def argument_returned() -> Any:
    return lambda x, y: (x, x, y, {"b": y}), (normal(2), np.arange(3))


@example()
def captured_array() -> Any:
    table = jnp.asarray(normal(300, 4))
    return lambda x: (x @ table.T).max(), (normal(4),)


@example(vmap=False)
def weak_types() -> Any:
    def fun(x: Any) -> Any:
        y = lax.fori_loop(0, 5, lambda i, y: y + 1, 1.0)
        return y, x * 2.0, lax.cond(x > 0, lambda: 1.0, lambda: 2.0), jnp.float32(x)

    return fun, (2.0,)


# Library code.


@example()
def attention() -> Any:
    def fun(x: Any, w: Any) -> Any:
        q, k, v = jnp.split(x @ w, 3, axis=-1)
        scores = jnp.where(jnp.tri(6, dtype=bool), q @ k.T / 2, -jnp.inf)
        return jax.nn.softmax(scores) @ v

    return fun, (normal(6, 4), normal(4, 12))


@example(vmap=False)
def dot_product_attention() -> Any:
    return lambda x: jax.nn.dot_product_attention(x, x, x, is_causal=True), (normal(1, 4, 2, 8),)


@example()
def convolution_network() -> Any:
    def fun(x: Any, w: Any) -> Any:
        y = lax.conv_general_dilated(x, w, (2, 2), "SAME", feature_group_count=2)
        y = lax.reduce_window(jax.nn.relu(y), -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "SAME")
        return y.mean((2, 3))

    return fun, (normal(2, 4, 8, 8), normal(6, 2, 3, 3))


@example()
def windows() -> Any:
    def fun(x: Any) -> Any:
        return jnp.cumsum(x), jnp.cumprod(x), lax.cummax(x)

    return fun, (normal(7),)


@example(grad=False)
def generic_window() -> Any:
    add = lambda a, b: a + b + 1  # noqa: E731
    return lambda x: lax.reduce_window(x, 0.0, add, (3,), (1,), "VALID"), (normal(7),)


@example()
def reductions() -> Any:
    def fun(x: Any) -> Any:
        odd = lax.reduce(x, jnp.float32(1), lambda a, b: a * b, (0,))
        return x.std(), x.max(1), jax.nn.logsumexp(x), jnp.median(x), odd

    return fun, (normal(3, 5),)


@example(grad=False)
def generic_reduction() -> Any:
    def fun(x: Any, i: Any) -> Any:
        pick = lambda a, b: (jnp.where(a[0] > b[0], a[0], b[0]), a[1] + b[1])  # noqa: E731
        return lax.reduce((x, i), (-jnp.inf, 0), pick, (0,))

    return fun, (normal(5), np.arange(5, dtype=np.int32))


@example()
def sorting() -> Any:
    return lambda x: (jnp.sort(x), lax.top_k(x, 3)[0], x[jnp.argsort(x)] ** 2), (normal(9),)


@example(grad=False)
def searching() -> Any:
    def fun(x: Any) -> Any:
        found = jnp.nonzero(x > 0, size=4, fill_value=0)[0]
        return found, jnp.searchsorted(jnp.sort(x), x), jnp.unique(x, size=3), jnp.argmax(x)

    return fun, (normal(6),)


@example()
def interpolation() -> Any:
    return lambda x: (jnp.interp(x, jnp.arange(4.0), jnp.sin(jnp.arange(4.0))), jnp.ldexp(x, 3)), (
        normal(5),
    )


@example()
def gather_and_scatter() -> Any:
    def fun(x: Any, i: Any) -> Any:
        y = x.at[i].add(x[i] * 2).at[0].set(5.0).at[i].max(0.5).at[i].multiply(2.0)
        return y, jax.ops.segment_sum(x, i, 4), jnp.take_along_axis(x, i, 0)

    return fun, (normal(4), np.array([3, 1, 1, 2]))


@example()
def fourier() -> Any:
    return lambda x: (jnp.fft.rfft(x).real, jnp.abs(jnp.fft.fft2(jnp.outer(x, x)))), (normal(6),)


@example()
def cholesky() -> Any:
    return lambda x: jnp.linalg.cholesky(x @ x.T + jnp.eye(4)), (normal(4, 4),)


@example()
def solve() -> Any:
    return lambda a, b: jnp.linalg.solve(a + 4 * jnp.eye(3), b), (normal(3, 3), normal(3, 2))


@example()
def eigenvalues() -> Any:
    return lambda x: jnp.linalg.eigh(x + x.T)[0], (normal(4, 4),)


@example()
def qr_and_lu() -> Any:
    def fun(x: Any) -> Any:
        q, r = jnp.linalg.qr(x)
        return q, r, jax.scipy.linalg.lu(x)[2], jnp.linalg.slogdet(x)[1]

    return fun, (normal(3, 3),)


@example()
def triangular_solve() -> Any:
    solve = jax.scipy.linalg.solve_triangular
    return lambda a, b: solve(a + 3 * jnp.eye(3), b, lower=True), (normal(3, 3), normal(3))


@example()
def gradient_of_norm() -> Any:
    return jax.grad(lambda x: jnp.linalg.norm(x @ x) ** 3), (normal(3, 3),)


@example(grad=False)
def random_numbers() -> Any:
    def fun(seed: Any) -> Any:
        first, second = jax.random.split(jax.random.key(seed))
        return jax.random.normal(first, (3,)), jax.random.permutation(second, 5)

    return fun, (np.uint32(3),)


@example(grad=False, vmap=False)
def random_keys() -> Any:
    def fun(key: Any) -> Any:
        keys = jax.random.split(key, 4)
        last, drawn = lax.scan(
            lambda key, given: (jax.random.fold_in(key, 1), jax.random.uniform(given)), key, keys
        )
        return last, drawn, keys[1]

    return fun, (jax.random.key(7),)


# Calls.


@example()
def nested_jits() -> Any:
    inner = jax.jit(lambda x: jnp.sin(x) * 2)
    outer = jax.jit(lambda x: inner(inner(x)) + inner(x))
    return jax.jit(lambda x: outer(x) - inner(x)), (normal(3),)


@example(grad=False, vmap=False)
def static_arguments() -> Any:
    fun = jax.jit(lambda x, n, mode, y=2.0: x * n if mode == "twice" else y, static_argnums=(1, 2))
    return fun, (normal(3), 4, "twice", 3.0)


@example(vmap=False)
def donated() -> Any:
    step = jax.jit(lambda state, x: state + x, donate_argnums=0)
    return lambda x: step(x * 2, x), (normal(3),)


@example()
def partial_function() -> Any:
    return functools.partial(lambda a, x, *, b: jnp.cos(x) * a + b, 2.0, b=1.0), (normal(3),)


class _Layer:
    scale = 3.0

    def __call__(self, x: Any) -> Any:
        return jnp.tanh(x) * self.scale

    def apply(self, x: Any) -> Any:
        return self(x) + 1


@example()
def bound_method() -> Any:
    return _Layer().apply, (normal(3),)


@example()
def callable_object() -> Any:
    return _Layer(), (normal(3),)


@example()
def named_scopes() -> Any:
    def fun(x: Any) -> Any:
        with jax.named_scope("encoder"), jax.named_scope("layer"):
            return jax.jit(lambda x: jnp.sin(x))(x) + 1

    return fun, (normal(3),)


@example()
def custom_jvp() -> Any:
    @functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
    def power(n: int, x: Any) -> Any:
        return x**n

    power.defjvp(lambda n, primals, tangents: (primals[0] ** n, 100.0 * tangents[0]))
    return lambda x: jax.nn.relu(power(3, x)), (normal(3),)


@example()
def custom_vjp() -> Any:
    @jax.custom_vjp
    def clipped(x: Any, limit: Any) -> Any:
        return jnp.sin(x) * limit

    clipped.defvjp(
        lambda x, limit: (clipped(x, limit), (limit,)),
        lambda kept, given: (jnp.clip(given * 50, -kept[0], kept[0]), None),
    )
    return lambda x: clipped(x * 2, jnp.float32(7)) + x, (normal(3),)


@example()
def custom_vjp_nondiff() -> Any:
    @functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
    def fun(x: Any, n: int, name: str) -> Any:
        return x * n

    fun.defvjp(lambda x, n, name: (x * n, x), lambda n, name, kept, given: (given * n * 10 + kept,))
    return lambda x: fun(x, 3, "name"), (normal(3),)


@example()
def custom_rules_with_integers() -> Any:
    @jax.custom_vjp
    def take(x: Any, i: Any) -> Any:
        return x[i], i + 1

    take.defvjp(
        lambda x, i: (take(x, i), x), lambda kept, given: (kept.at[0].add(given[0].sum()), None)
    )
    return lambda x, i: take(x, i)[0] * 2, (normal(4), np.array([1, 2]))


@example()
def symbolic_zeros() -> Any:
    @jax.custom_jvp
    def fun(x: Any, y: Any) -> Any:
        return x * y

    def rule(primals: Any, tangents: Any) -> Any:
        x, y = primals
        is_zero = isinstance(tangents[1], jax.custom_derivatives.SymbolicZero)
        return fun(x, y), tangents[0] * (11.0 if is_zero else 13.0)

    fun.defjvp(rule, symbolic_zeros=True)
    return lambda x: fun(x, jnp.float32(2)) + fun(x, x), (normal(3),)


@example()
def rematerialized() -> Any:
    save = jax.checkpoint_policies.save_only_these_names("kept")

    @functools.partial(jax.checkpoint, policy=save)
    def layer(x: Any, w: Any) -> Any:
        return jnp.sin(checkpoint_name(jnp.cos(x @ w), "kept"))

    return lambda x, w: layer(jax.checkpoint(layer)(x, w), w), (normal(3, 3), normal(3, 3, seed=1))


@example()
def gradient_of_rematerialized() -> Any:
    saved = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    layer = jax.checkpoint(lambda x: jnp.sin(jnp.sin(x @ x)), policy=saved)
    return jax.grad(lambda x: layer(layer(x)).sum()), (normal(3, 3),)


@example()
def custom_root() -> Any:
    def fun(a: Any) -> Any:
        newton = lambda f, x: lax.fori_loop(0, 20, lambda i, y: y - f(y) / (2 * y), x)  # noqa: E731
        root = lax.custom_root(lambda x: x**2 - a, a, newton, lambda g, y: y / g(1.0))
        return root * 2

    return fun, (np.float32(2),)


@example(vmap=False)
def linear_call() -> Any:
    call = jax.custom_derivatives.linear_call
    forward, back = lambda r, x: x * r, lambda r, x: x * r * 5
    return lambda x: call(forward, back, jnp.float32(3), x) + x, (normal(3),)


@example(grad=False)
def custom_vmap() -> Any:
    @jax.custom_batching.custom_vmap
    def fun(x: Any) -> Any:
        return x * 2

    fun.def_vmap(lambda size, batched, x: (x * 3, True))
    return lambda x: fun(x) + 1, (normal(3),)


# Loops and branches.


@example()
def lstm() -> Any:
    def fun(w: Any, xs: Any) -> Any:
        def cell(state: Any, x: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(jnp.concatenate([h, x]) @ w, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), h

        return lax.scan(cell, (jnp.zeros(2), jnp.zeros(2)), xs)

    return fun, (normal(5, 8), normal(6, 3))


@example()
def nested_scans() -> Any:
    def fun(x: Any) -> Any:
        inner = lambda c, x: (c * 0.9 + x, c)  # noqa: E731
        outer = lambda c, row: lax.scan(inner, c, row, unroll=2)  # noqa: E731
        return lax.scan(outer, jnp.float32(1), x)

    return fun, (normal(3, 4),)


@example()
def reverse_scan() -> Any:
    def fun(x: Any, key: Any) -> Any:
        def step(carry: Any, given: Any) -> Any:
            total, count = carry
            return (total * given["x"] + 1, count + 1), {"y": total, "n": (count, given["x"])}

        return lax.scan(step, (x[0], 0), {"x": x, "z": key}, reverse=True)

    return fun, (normal(5), np.arange(5))


@example()
def associative_scan_and_map() -> Any:
    return lambda x: (
        lax.associative_scan(jnp.multiply, x),
        lax.map(lambda y: jnp.sin(y) * x[0], x, batch_size=2),
    ), (normal(5),)


@example()
def scan_without_turns() -> Any:
    return lambda x: lax.scan(lambda c, y: (c + y, c * 2), x[0], x[:0]), (normal(3),)


@example(grad=False)
def while_with_constants() -> Any:
    def fun(x: Any, limit: Any) -> Any:
        return lax.while_loop(
            lambda state: (state[1] < limit).all() & (state[0] < 20),
            lambda state: (state[0] + 1, state[1] * 1.5 + jnp.abs(x)),
            (0, x),
        )

    return fun, (normal(3), np.float32(50))


@example(grad=False)
def while_in_scan() -> Any:
    def fun(x: Any) -> Any:
        halve = lambda y: lax.while_loop(lambda y: y > 1, lambda y: y / 2, y)  # noqa: E731
        return lax.scan(lambda c, y: (c + halve(y), halve(c)), jnp.float32(9), x)

    return fun, (np.array([3.0, 30.0, 300.0], np.float32),)


@example()
def branches() -> Any:
    def fun(x: Any, i: Any) -> Any:
        y = lax.cond(x.sum() > 0, lambda x: x * 2, lambda x: jnp.sin(x), x)
        return lax.switch(i, [lambda y: y, lambda y: y**2, lambda y: y * x], y)

    return fun, (normal(3), np.int32(1))


@example()
def branch_in_loop() -> Any:
    def fun(x: Any) -> Any:
        step = lambda c, i: (lax.cond(i % 2 == 0, jnp.sin, jnp.cos, c), c.sum())  # noqa: E731
        return lax.scan(step, x, jnp.arange(4))

    return fun, (normal(3),)


@example(vmap=False)
def branch_by_platform() -> Any:
    return lambda x: lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos), (normal(3),)


# Transforms.


@example()
def mapped_gradient() -> Any:
    loss = lambda w, x: jnp.tanh(x @ w).sum()  # noqa: E731
    return jax.vmap(jax.grad(loss), in_axes=(None, 0)), (normal(3), normal(4, 3))


@example()
def second_derivatives() -> Any:
    return jax.hessian(lambda x: (jnp.sin(x) * jax.nn.relu(x)).sum()), (normal(3),)


@example()
def jvp_and_linearize() -> Any:
    def fun(x: Any) -> Any:
        y, forward = jax.linearize(jnp.sin, x)
        return jax.jvp(lambda x: x**3, (x,), (forward(x),)), y, jax.vjp(jnp.cos, x)[1](x)

    return fun, (normal(3),)


@example()
def mapped_loop() -> Any:
    def each(x: Any, n: Any) -> Any:
        return lax.scan(lambda c, _: (jnp.where(n > 1, c * x, c), c), x, length=3)

    return jax.vmap(each), (normal(3), np.arange(3))


@example(vmap=False)
def sharded() -> Any:
    @functools.partial(
        jax.shard_map, mesh=mesh_of(), in_specs=(P("i"), P()), out_specs=(P("i"), P())
    )
    def fun(x: Any, w: Any) -> Any:
        i = lax.axis_index("i")
        moved = lax.ppermute(x * w, "i", [(0, 1), (1, 2), (2, 3), (3, 0)])
        last, _ = lax.scan(lambda c, _: (jnp.sin(c) * i, None), moved, length=2)
        return last, lax.psum(x.sum() * w, "i")

    return fun, (normal(8), np.float32(2))


@example(vmap=False)
def sharded_in_part() -> Any:
    mesh = jax.make_mesh((2, 2), ("i", "j"), axis_types=(AxisType.Auto,) * 2)

    def fun(x: Any) -> Any:
        y = jax.shard_map(
            lambda x: lax.psum(x * 2, "i"),
            mesh=mesh,
            in_specs=P("i"),
            out_specs=P(),
            axis_names={"i"},
        )(x)
        return lax.with_sharding_constraint(y, jax.NamedSharding(mesh, P(None, "j")))

    return jax.jit(fun), (normal(4, 4),)


@example(vmap=False)
def sharded_unchecked() -> Any:
    return jax.shard_map(
        lambda x: lax.all_gather(x, "i").sum(0) + lax.psum_scatter(jnp.ones(4), "i"),
        mesh=mesh_of(),
        in_specs=P("i"),
        out_specs=P("i"),
        check_vma=False,
    ), (normal(4),)


@example(vmap=False)
def parallel_map() -> Any:
    return jax.pmap(lambda x: x / lax.psum(x, "i"), axis_name="i"), (normal(4, 2),)


# Effects and references.


@example(vmap=False)
def prints() -> Any:
    def fun(x: Any) -> Any:
        jax.debug.print("{}", x)
        return x * 2

    return fun, (np.float32(1),)


@example(grad=False, vmap=False)
def callbacks() -> Any:
    shape = jax.ShapeDtypeStruct((), np.float32)

    def fun(x: Any) -> Any:
        y = jax.pure_callback(lambda x: np.float32(x * 2), shape, x, vmap_method="sequential")
        return io_callback(lambda y: np.float32(y + 1), shape, y, ordered=True)

    return fun, (np.float32(1),)


@example(grad=False, vmap=False)
def references() -> Any:
    def fun(x: Any) -> Any:
        total = jax.new_ref(jnp.zeros_like(x))

        def step(i: Any, count: Any) -> Any:
            total[...] += x * i

            @jax.jit
            def again() -> None:
                total[0] = total[0] * 2

            again()
            return count + 1

        return (
            lax.fori_loop(0, 3, step, 0),
            total[...],
            lax.cond(x[0] > 0, lambda: total[1], lambda: total[0]),
        )

    return fun, (normal(3),)


# Other libraries.


@example(vmap=False)
def equinox_module() -> Any:
    import equinox as eqx

    model = eqx.nn.MLP(3, 2, 4, 2, key=jax.random.key(0))
    weights, static = eqx.partition(model, eqx.is_array)
    return lambda x, weights: jax.vmap(eqx.combine(weights, static))(x), (normal(5, 3), weights)


@example(grad=False, vmap=False)
def equinox_jit() -> Any:
    import equinox as eqx

    model = eqx.nn.Linear(3, 2, key=jax.random.key(0))
    loss = eqx.filter_jit(eqx.filter_grad(lambda model, x: (model(x) ** 2).sum()))
    return loss, (model, normal(3))


@example(vmap=False)
def flax_module() -> Any:
    from flax import nnx

    graph, state = nnx.split(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
    return lambda x, state: nnx.merge(graph, state)(x), (normal(5, 3), state)


@example(grad=False, vmap=False)
def flax_jit() -> Any:
    from flax import nnx

    model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    return nnx.jit(lambda model, x: model(x)), (model, normal(5, 3))


@example(vmap=False)
def optax_update() -> Any:
    import optax

    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2))
    weights = {"w": jnp.asarray(normal(3, 2)), "b": jnp.zeros(2)}

    def step(x: Any, weights: Any, state: Any) -> Any:
        loss = lambda weights: ((x @ weights["w"] + weights["b"]) ** 2).mean()  # noqa: E731
        updates, state = optimizer.update(jax.grad(loss)(weights), state, weights)
        return optax.apply_updates(weights, updates), state

    return step, (normal(4, 3), weights, optimizer.init(weights))
