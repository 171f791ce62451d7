"""An inspection as a tree, as source with heat, as a picture: right, bounded, also when deep."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxkit
from jaxkit.jaxpr.picture import picture_of
from jaxkit.jaxpr.source import source_of
from jaxkit.report import Tree, render
from jaxkit.report.html.layout import picture as laid_out


def f32(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def block(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w) + x


def model(x: Any, w: Any) -> Any:
    for i in range(4):
        with jax.named_scope(f"layer{i}"):
            x = block(x, w)
    with jax.named_scope("head"):
        return (x * x).sum()


def inspected(fun: Any, *args: Any) -> Any:
    return jaxkit.inspect(fun, lints=[])(*args)


MODEL = f32(4, 8), f32(8, 8)


def labels(tree: Tree) -> list[str]:
    found: list[str] = []
    stack: list[Tree | str] = [tree]
    while stack:
        node = stack.pop()
        found.append(node if isinstance(node, str) else node.label)
        if isinstance(node, Tree):
            stack.extend(reversed(node.children))
    return found


def test_equal_equations_are_one_row_and_layers_one_group() -> None:
    found = labels(inspected(model, *MODEL).tree())
    assert found[0].startswith("model  ")
    assert any(label.startswith("layer#  (4 of them)") for label in found)
    assert any(
        label.startswith("4 x dot_general f32[4,8] f32[8,8] -> f32[4,8]  2.05 kFLOP")
        for label in found
    )
    assert any(label.startswith("head  63 FLOP") for label in found)


def test_shares_of_children_add_up() -> None:
    top = inspected(jax.grad(model, argnums=(0, 1)), *MODEL).tree()
    assert [child.label.split()[0] for child in top.children if isinstance(child, Tree)][:2] == [
        "forward",
        "backward",
    ]
    stack = [top]
    while stack:
        node = stack.pop()
        children = [child for child in node.children if isinstance(child, Tree)]
        if children and all(child.share is not None for child in children):
            assert sum(child.share or 0 for child in children) == pytest.approx(node.share)
        stack.extend(children)


def test_loops_branches_and_devices_say_how_often() -> None:
    def fun(x: Any) -> Any:
        x = lax.fori_loop(0, 5, lambda _, y: jnp.sin(y), x)
        x = lax.while_loop(lambda y: y.sum() < 3, lambda y: y + 1, x)
        return lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x)

    found = labels(inspected(fun, f32(3)).tree())
    assert any("scan" in label and ", 5 times" in label for label in found)
    assert any("while" in label and ", as often as it takes" in label for label in found)
    assert any(label.startswith("cond branch 1") for label in found)
    assert any(label.startswith("sin f32[3]  15 FLOP") for label in found)


def test_as_deep_as_asked() -> None:
    whole = inspected(model, *MODEL)
    assert whole.tree(depth=0).children == ()
    assert all(
        isinstance(child, str) or not child.children for child in whole.tree(depth=1).children
    )
    assert len(labels(whole.tree(rows=5))) <= 6
    with pytest.raises(ValueError) as caught:
        whole.tree(depth=-1)
    assert str(caught.value) == "depth must be 0 or more, or None for all, got depth=-1"
    with pytest.raises(ValueError) as caught:
        whole.tree(rows=0)
    assert str(caught.value) == "rows must be 1 or more, got rows=0"


def test_a_program_of_bytes_only_and_one_of_nothing() -> None:
    assert inspected(lambda x: x.T.reshape(-1), f32(3, 4)).tree().label.endswith(" B")
    nothing = inspected(lambda x: x, f32(3))
    assert nothing.tree().children == ()
    assert "<h1>" in render(nothing, ".html")
    assert "nothing" not in render(inspected(lambda: 1), ".txt")


def test_huge_and_deep_programs_are_bounded() -> None:
    def long(x: Any) -> Any:
        for i in range(20_000):
            x = lax.sin(x) if i % 2 else lax.add(x, x)
        return x

    def deeper(inner: Any) -> Any:
        def fun(x: Any) -> Any:
            return lax.scan(lambda x, _: (inner(x) * 2, None), x, length=1)[0]

        return jax.jit(fun)

    deep: Any = jnp.sin
    for _ in range(300):  # each is traced before the next one calls it, so that JAX is not deep
        deep = deeper(deep)
        jax.eval_shape(deep, f32(2))

    for fun in (long, deep):
        found = inspected(fun, f32(2))
        start = time.perf_counter()
        assert len(labels(found.tree())) <= 1_000
        assert len(picture_of(found).nodes) <= 120
        page, text = render(found, ".html"), render(found, ".txt")
        assert time.perf_counter() - start < 60
        assert len(page) < 2_000_000
        assert len(text.splitlines()) < 200


def test_what_is_small_is_summed_up() -> None:
    def fun(x: Any, w: Any) -> Any:
        for i in range(40):
            x = lax.mul(x, jnp.float32(i))
            if i % 2:
                x = lax.slice(x, (0, 0), (x.shape[0] - 1, x.shape[1]))
        return w @ w, x

    found = labels(inspected(fun, f32(50, 3), f32(512, 512)).tree())
    assert any(label.startswith("and ") and " more, " in label for label in found)


def test_source_with_heat(tmp_path: Path) -> None:
    found = inspected(model, *MODEL)
    (heat,) = source_of(found)
    assert heat.file == __file__
    by_text = {line.text.strip(): line for line in heat.lines}
    product = by_text["return jnp.tanh(x @ w) + x"]
    assert product.share == pytest.approx(4 * (2 * 4 * 8 * 8 + 4 * 8 * 2) / found.flops)
    assert product.label.startswith("2.30 kFLOP")
    assert by_text["def block(x: Any, w: Any) -> Any:"].share is None
    assert not any("def f32" in text for text in by_text)
    assert any("memory's peak" in note for line in heat.lines for note in line.notes)


def test_findings_stand_at_their_lines() -> None:
    def bad(x: Any) -> Any:
        return -jnp.log(jax.nn.softmax(x)).mean()

    (heat,) = source_of(jaxkit.inspect(bad)(f32(8)))
    (line,) = [line for line in heat.lines if any("log-of-softmax" in n for n in line.notes)]
    assert "jnp.log(jax.nn.softmax(x))" in line.text


def test_a_file_that_is_not_there() -> None:
    space: dict[str, Any] = {"jnp": jnp}
    exec(compile("def gone(x):\n    return jnp.sin(x)", "/nowhere/gone.py", "exec"), space)
    (heat,) = source_of(inspected(space["gone"], f32(3)))
    assert heat.file == "/nowhere/gone.py"
    assert heat.title.endswith("(its text is not there)")
    assert [(line.number, line.text) for line in heat.lines] == [(2, "")]


def test_a_picture_of_each_equation() -> None:
    graph = picture_of(inspected(lambda x, w: jnp.tanh(x @ w) + x, *MODEL))
    assert [(node.label, node.inputs) for node in graph.nodes] == [
        ("args[0]", ()),
        ("args[1]", ()),
        ("dot_general", (0, 1)),
        ("tanh", (2,)),
        ("add", (0, 3)),
    ]


def test_a_picture_of_scopes_where_equations_are_many() -> None:
    def fun(x: Any, w: Any) -> Any:
        for i in range(40):
            with jax.named_scope(f"layer{i}"):
                x = block(x, w)
        return x.sum()

    graph = picture_of(inspected(fun, *MODEL), boxes=60)
    assert [node.label for node in graph.nodes] == [f"layer{i}" for i in range(40)]
    assert all(node.inputs == (i - 1,) for i, node in enumerate(graph.nodes) if i)
    few = picture_of(inspected(fun, *MODEL), boxes=7)
    assert len(few.nodes) == 7
    assert "7 most costly of 121 equations" in few.title

    def with_head(x: Any, w: Any) -> Any:
        x = fun(x, w)
        with jax.named_scope("head"):
            return jnp.tanh(x)

    gradient = picture_of(inspected(jax.grad(with_head, argnums=(0, 1)), *MODEL), boxes=30)
    assert [node.label for node in gradient.nodes] == ["layer#", "head", "head", "layer#"]


def test_a_picture_of_many_that_flow_everywhere_is_thinned_out() -> None:
    def fun(x: Any) -> Any:
        made = [x]
        for _ in range(130):
            made.append(lax.sin(sum(made[1:], start=made[0])))
        return made[-1]

    graph = picture_of(inspected(fun, f32(3)))
    assert sum(len(node.inputs) for node in graph.nodes) <= 3 * len(graph.nodes)


def test_no_line_runs_behind_a_box() -> None:
    graph = picture_of(inspected(jax.grad(model, argnums=(0, 1)), *MODEL))
    drawn = laid_out(graph)
    for curve in drawn.curves:
        points = [
            tuple(map(float, point.split()))
            for part in curve[1:].replace("C", "L").split("L")
            for point in [" ".join(part.split()[-2:])]
        ]
        for (x, y), (to_x, to_y) in itertools.pairwise(points):
            if x != to_x:
                continue
            for box in drawn.boxes:
                inside = y < box.y + box.height - 1 and to_y > box.y + 1
                assert not (inside and abs(x - box.x) < box.width / 2)
