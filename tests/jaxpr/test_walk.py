"""Where each equation stands, how often it runs, and from which line it comes."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import pallas as pl
from jax.extend import core as jex
from jax.sharding import AxisType, PartitionSpec

from jaxkit._jax import jaxprs
from jaxkit.jaxpr import Multiplicity, Rule, interpret, walk
from jaxkit.jaxpr.nesting import is_opaque
from tests.jaxpr.corpus import EXAMPLES

X = np.ones(4, np.float32)
P = PartitionSpec


def sites(fun: Any, *args: Any, combiners: bool = False) -> list[Any]:
    return list(walk(jax.make_jaxpr(fun)(*args), combiners=combiners))


def table(fun: Any, *args: Any, combiners: bool = False) -> list[tuple[Any, ...]]:
    found = sites(fun, *args, combiners=combiners)
    return [(s.primitive, "/".join(s.path), s.role, str(s.multiplicity)) for s in found]


def test_calls_dissolve_in_the_order_in_which_they_run() -> None:
    @jax.jit
    def inner(x: Any) -> Any:
        return jnp.sin(x)

    @jax.jit
    def outer(x: Any) -> Any:
        return inner(x) * 2

    assert table(lambda x: outer(x) + inner(x), X) == [
        ("jit", "", "call", "1"),
        ("jit", "outer", "call", "1"),
        ("sin", "outer/inner", "call", "1"),
        ("mul", "outer", "call", "1"),
        ("jit", "", "call", "1"),
        ("sin", "inner", "call", "1"),
        ("add", "", "call", "1"),
    ]


def test_nested_scans_multiply() -> None:
    def fun(x: Any) -> Any:
        row = lambda c, _: (jnp.sin(c), None)  # noqa: E731
        plane = lambda c, _: lax.scan(row, jnp.cos(c), None, length=3, unroll=3)  # noqa: E731
        return lax.scan(plane, x, None, length=5)[0]

    assert table(fun, X) == [
        ("scan", "", "call", "1"),
        ("cos", "scan", "loop_body", "5"),
        ("scan", "scan", "loop_body", "5"),
        ("sin", "scan/scan", "loop_body", "15"),
    ]


def test_a_while_inside_a_scan_is_counted_once_a_turn_at_least() -> None:
    def fun(x: Any) -> Any:
        grow = lambda c: lax.while_loop(lambda c: c[0] < 3, lambda c: jnp.exp2(c), c)  # noqa: E731
        return lax.scan(lambda c, _: (grow(c), None), x, None, length=5)[0]

    found = {site.primitive: site for site in sites(fun, X)}
    assert found["while"].multiplicity == Multiplicity(count=5)
    assert found["lt"].multiplicity == Multiplicity(count=5, unknown=1)
    assert (found["lt"].role, found["lt"].path) == ("loop_cond", ("scan", "while condition"))
    assert found["exp2"].role == "loop_body"
    assert (str(found["exp2"].multiplicity), found["exp2"].multiplicity.exact) == (
        "at least 5",
        False,
    )


def test_branches_are_alternatives() -> None:
    def fun(x: Any, i: Any) -> Any:
        chosen = [jnp.sin, lambda x: lax.cond(x[0] > 0, jnp.cos, jnp.tan, x), jnp.exp]
        return lax.fori_loop(0, 3, lambda _, x: lax.switch(i, chosen, x), x)

    found = {site.primitive: site for site in sites(fun, X, 1)}
    assert str(found["cond"].multiplicity) in ("3", "3 or 0")
    assert found["sin"].multiplicity == Multiplicity(count=3, branches=3)
    assert found["sin"].path == ("scan", "cond branch 0")
    assert found["sin"].role == "branch"
    assert str(found["exp"].multiplicity) == "3 or 0"
    # false comes first, as in jax.lax.cond's own list of branches
    assert found["tan"].path == ("scan", "cond branch 1", "cond branch 0")
    assert found["tan"].multiplicity == Multiplicity(count=3, branches=6)


def test_devices_are_those_of_the_manual_axes() -> None:
    mesh = jax.make_mesh((2, 2), ("i", "j"), axis_types=(AxisType.Auto,) * 2)

    def inner(x: Any) -> Any:
        return jnp.cos(x)

    def outer(x: Any) -> Any:
        x = jnp.sin(x)
        return jax.shard_map(inner, in_specs=P("j"), out_specs=P("j"), axis_names={"j"})(x)

    fun = jax.shard_map(outer, mesh=mesh, in_specs=P("i"), out_specs=P("i"), axis_names={"i"})
    found = {site.primitive: site for site in sites(jax.jit(fun), X)}
    assert str(found["sin"].multiplicity) == "1 on each of 2 devices"
    assert str(found["cos"].multiplicity) == "1 on each of 4 devices"
    both = jax.shard_map(inner, mesh=mesh, in_specs=P("i"), out_specs=P("i"))
    assert sites(both, X)[-1].multiplicity == Multiplicity(devices=4)


def test_pmap_runs_on_each_device() -> None:
    last = {site.primitive: site for site in sites(jax.pmap(jnp.sin), np.ones((4, 2)))}["sin"]
    assert str(last.multiplicity) == "1 on each of 4 devices"


def test_kernels_run_once_a_cell_of_their_grid() -> None:
    def kernel(x: Any, out: Any) -> None:
        out[...] = jnp.sin(x[...])

    spec = pl.BlockSpec((2, 2), lambda i, j: (i, j))
    fun = pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((8, 4), jnp.float32),
        grid=(4, 2),
        in_specs=[spec],
        out_specs=spec,
        interpret=True,
    )
    found = {s.primitive: s for s in sites(fun, np.ones((8, 4), np.float32))}
    assert found["sin"].role == "kernel"
    assert found["sin"].multiplicity == Multiplicity(count=8)


def test_combiners_are_entered_when_asked() -> None:
    def fun(x: Any) -> Any:
        return lax.reduce(x, jnp.float32(0), lambda a, b: a + b * 2, (0,))

    assert table(fun, X) == [("reduce", "", "call", "1")]
    assert table(fun, X, combiners=True) == [
        ("reduce", "", "call", "1"),
        ("mul", "reduce", "combiner", "at least 1"),
        ("add", "reduce", "combiner", "at least 1"),
    ]
    scatter = lambda x: x.at[jnp.array([0])].add(1.0)  # noqa: E731
    assert {site.role for site in sites(scatter, X)} == {"call"}


def test_a_linear_solve_runs_its_solver_alone() -> None:
    found = sites(lambda a, b: jnp.linalg.solve(a, b), np.eye(3), np.ones((3, 2)))
    inside = [site.primitive for site in found if "custom_linear_solve" in site.path]
    assert inside.count("triangular_solve") == 2
    assert "dot_general" not in inside


HOLDER = jex.Primitive("jaxkit_test_holder")
HOLDER.def_abstract_eval(lambda x, **_: x)


def test_a_primitive_never_seen_is_searched() -> None:
    sin, cos = (jax.make_jaxpr(fun)(X) for fun in (jnp.sin, jnp.cos))

    def fun(x: Any) -> Any:
        return HOLDER.bind(x, size=3, programs=(("a", (sin, None)),), other=cos)

    assert table(fun, X) == [
        ("jaxkit_test_holder", "", "call", "1"),
        ("sin", "jaxkit_test_holder", "call", "1"),
        ("cos", "jaxkit_test_holder", "call", "1"),
    ]
    seen: list[str] = []

    class Names(Rule):
        def equation(self, at: Any, boxes: Any) -> Any:
            seen.append(at.primitive)
            return boxes

    assert interpret(fun, Names())(X).tolist() == [1, 1, 1, 1]
    assert seen == ["jaxkit_test_holder"]


def test_what_is_opaque_is_said() -> None:
    fun, args = EXAMPLES["callbacks"].make()
    found = sites(fun, *args)
    assert [s.primitive for s in found if is_opaque(s.eqn)] == ["pure_callback", "io_callback"]


# Functions that a library made: of what they do themselves no line is the user's.
BARE = """second_derivatives mapped_loop sharded sharded_unchecked parallel_map equinox_jit
flax_jit""".split()


def test_every_example_is_walked_with_a_line() -> None:
    for name, case in EXAMPLES.items():
        fun, args = case.make()
        program = jaxprs.trace(fun, args, {})
        for jaxpr in (program.written, program.lowered):
            for site in walk(jaxpr):
                if site.where is None or not site.where.file.endswith("corpus.py"):
                    assert name in BARE, (name, site)
                assert site.multiplicity.count >= 0
        kept = len(program.written.jaxpr.invars)
        assert kept == len(program.arguments) == len(program.inputs), name


# Lines and scopes.


def lines(fun: Any, *args: Any) -> list[tuple[str, int]]:
    """Each equation's primitive and line, counted from that of `def`."""
    first = fun.__code__.co_firstlineno
    return [
        (site.primitive, site.where.line - first)
        for site in sites(fun, *args)
        if site.where is not None and site.where.file == __file__
    ]


def test_helpers_of_jax_have_the_line_of_their_caller() -> None:
    def fun(x: Any) -> Any:
        y = jnp.linalg.norm(x)
        return (
            y
            + jnp.var(x)
            * 2
        )  # fmt: skip

    found = lines(fun, X)
    assert ("sqrt", 1) in found
    assert ("jit", 4) in found
    assert {line for primitive, line in found if primitive in ("square", "integer_pow")} <= {4}
    assert {line for _, line in found} <= {1, 3, 4, 5}


def test_library_frames_are_skipped() -> None:
    import optax

    def fun(x: Any) -> Any:
        return optax.huber_loss(x)

    assert {line for _, line in lines(fun, X)} == {1}
    assert len(lines(fun, X)) == len(sites(fun, X))


def test_jaxkits_own_frames_are_skipped() -> None:
    import jaxkit

    def fun(x: Any) -> Any:
        clipped, _ = jaxkit.clip_by_global_norm({"w": x}, 1.0)
        return clipped

    assert {line for _, line in lines(fun, X)} == {1}
    assert len(lines(fun, X)) == len(sites(fun, X))


def test_scopes_are_joined_along_the_path() -> None:
    def fun(x: Any) -> Any:
        with jax.named_scope("outer"):
            return jax.jit(jax.named_scope("inner")(jnp.sin))(x)

    assert [site.scope for site in sites(fun, X)] == ["outer", "outer/inner"]


def test_a_trace_by_jaxkit_ends_at_the_function() -> None:
    def fun(x: Any) -> Any:
        return jnp.sin(x)

    program = jaxprs.trace(functools.partial(fun), (X,), {})
    [site] = walk(program.written)
    assert site.where is not None
    assert (site.where.line, site.where.file) == (fun.__code__.co_firstlineno + 1, __file__)
    [site] = walk(jaxprs.trace(jnp.sin, (X,), {}).written)
    assert site.where is None


# Programs.


def test_arguments_have_names_and_static_ones_none() -> None:
    fun = jax.jit(lambda x, n, *, mode, y: x * n, static_argnums=1, static_argnames="mode")
    program = jaxprs.trace(fun, ({"a": X}["a"], (1, 2)[0]), {"mode": 3, "y": [X, X]})
    assert program.arguments == ("[0][0]", "[1]['y'][0]", "[1]['y'][1]")
    assert program.captured == 0


def test_captured_tracers_come_first() -> None:
    def outer(w: Any) -> Any:
        program = jaxprs.trace(lambda x: x * w, (X,), {})
        assert (program.captured, program.arguments) == (1, ("[0][0]",))
        assert len(program.inputs) == len(program.written.jaxpr.invars) == 2
        assert program.inputs[0] is w
        return w

    jax.jit(outer)(2.0)


def test_no_jaxpr() -> None:
    with pytest.raises(TypeError) as error:
        list(walk(jnp.sin))
    assert str(error.value) == (
        "jaxpr must be a jaxpr, got PjitFunction: jax.make_jaxpr(fun)(*args) gives one"
    )
