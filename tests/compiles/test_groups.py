"""What counts as avoidable: every threshold from both sides; and what a replay leaves."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pytest

import jaxkit
from jaxkit.compiles import groups as rules
from jaxkit.compiles.event import Cause, CompileEvent, Function, Place, Signature
from jaxkit.compiles.leaf import Leaf
from jaxkit.compiles.replay import pad_axes
from jaxkit.compiles.summary import build_report


def event(number: int, cause: Cause, function: Function, via: str = "jit") -> CompileEvent:
    return CompileEvent(
        index=number,
        process=1,
        thread="MainThread",
        time=float(number),
        outcome="compiled",
        function=function,
        call_site=Place("train.py", 7, "main"),
        via=via,
        stages=("trace", "lower", "compile"),
        seconds={"compile": 1.0},
        recompile=cause.kind != "first",
        signature=Signature((Leaf("x", "array", cause.after or "f32[1]"),)),
        causes=(cause,),
    )


def findings(causes: Sequence[Cause], function: Function, via: str = "jit") -> list[str]:
    """The severities of a function compiled once and then again for each of the causes."""
    events = [event(0, Cause("first"), function, via)]
    events += [event(i, cause, function, via) for i, cause in enumerate(causes, 1)]
    return [finding.severity for finding in build_report(events).findings]


STEP = Function("step", "step", "train", "train.py", 3, id="#1", inner_id="#1", code="c")


def ragged(programs: int) -> list[Cause]:
    """One axis that takes another size each time."""
    return [Cause("eager-op-shapes", "x", f"f32[{n}]", f"f32[{n + 1}]") for n in range(1, programs)]


def mixed(programs: int) -> list[Cause]:
    """Two axes that both change, as in the layers of a model."""
    return [
        Cause("eager-op-shapes", "x", f"f32[{n},{2 * n}]", f"f32[{n + 1},{2 * n + 2}]")
        for n in range(1, programs)
    ]


@pytest.mark.parametrize(
    ("causes", "wrappers", "threshold"),
    [
        (ragged, (), rules.EAGER_ONE_AXIS),
        (mixed, (), rules.EAGER_MANY_AXES),
        (mixed, ("library",), rules.EAGER_IN_LIBRARY),
    ],
)
def test_eager_operations_are_waste_from_a_threshold_on(
    causes, wrappers: tuple[str, ...], threshold: int
) -> None:
    operation = Function("sin", file="train.py", line=9, wrappers=wrappers)
    assert findings(causes(threshold - 1), operation, "eager") == ["info"]
    assert findings(causes(threshold), operation, "eager") == ["warning"]


def chosen(kind: str, type_name: str, values: Sequence[str]) -> list[Cause]:
    return [
        Cause(kind, "mode", before, after, {"type": type_name})
        for before, after in itertools.pairwise(values)
    ]


@pytest.mark.parametrize("kind", ["static-arg-value", "static-metadata"])
@pytest.mark.parametrize("type_name", ["str", "function", "enum Mode"])
def test_a_choice_between_two_is_by_design(kind: str, type_name: str) -> None:
    assert findings(chosen(kind, type_name, ["a", "b"]), STEP) == ["info"]
    assert findings(chosen(kind, type_name, ["a", "b", "a"]), STEP) == ["info"]
    assert findings(chosen(kind, type_name, ["a", "b", "c"]), STEP) == ["warning"]


@pytest.mark.parametrize("type_name", ["int", "float", "Config"])
def test_a_number_could_be_an_argument(type_name: str) -> None:
    assert findings(chosen("static-arg-value", type_name, ["1", "2"]), STEP) == ["warning"]


def test_a_function_that_reads_the_same_is_no_choice() -> None:
    lambdas = ["<function <lambda>>"] * 2
    assert findings(chosen("static-metadata", "function", lambdas), STEP) == ["warning"]


@pytest.mark.parametrize(
    ("before", "after", "detail", "severity"),
    [
        ("committed to cpu:0", "committed to cpu:1", {}, "info"),
        ("committed to cpu:0", "committed to cpu:1", {"moved": True}, "warning"),
        ("uncommitted", "committed to cpu:0", {}, "warning"),
        ("committed to P('i') on (i=4) cpu:0-3", "committed to cpu:0", {}, "warning"),
        ("committed to cpu:0", "committed to cpu:0, memory pinned_host", {}, "warning"),
    ],
)
def test_only_one_program_a_device_is_by_design(
    before: str, after: str, detail: dict[str, bool], severity: str
) -> None:
    causes = [Cause("sharding-or-device", "x", before, after, detail)]
    assert findings(causes, STEP) == [severity]


def test_functions_kept_side_by_side_are_by_design() -> None:
    detail = {"type": "float"}
    alone = [Cause("closure-constant", "lr", "0.1", "0.2", detail)]
    kept = [Cause("closure-constant", "lr", "0.1", "0.2", {**detail, "side_by_side": True})]
    assert findings(alone, STEP) == ["warning"]
    assert findings(kept, STEP) == ["info"]
    weights = Cause("closure-constant", "w", "f32[3]", "f32[3]", {**detail, "type": "ndarray"})
    kept_arrays = [dataclasses.replace(weights, detail={**weights.detail, "side_by_side": True})]
    assert findings(kept_arrays, STEP) == ["warning"]


def test_padding_counts_programs() -> None:
    shapes = [(Leaf("x", "array", f"f32[{rows},4]"),) for rows in (32, 31, 8)]
    replay = pad_axes(shapes, {("x", 0): 32})
    assert (replay.before, replay.after) == (3, 1)
    assert pad_axes(shapes, {("x", 0): None}).after == 2  # powers of two: 32 and 8
    assert pad_axes(shapes, {("x", 1): 4}).after == 3


@pytest.mark.parametrize(
    ("sizes", "target"),
    [
        (range(1, 9), "axis 0 to 8"),
        (range(1, 10), "axis 0 to the next power of two"),
        ((2, 32), "axis 0 to 32"),
        ((2, 33), "axis 0 to the next power of two"),
    ],
)
def test_one_size_for_all_only_where_it_wastes_little(sizes: Sequence[int], target: str) -> None:
    texts = [f"f32[{size}]" for size in sizes]
    causes = [
        Cause("shape-change", "x", before, after) for before, after in itertools.pairwise(texts)
    ]
    events = [event(0, Cause("first", after=texts[0]), STEP)]
    events += [event(i, cause, STEP) for i, cause in enumerate(causes, 1)]
    [finding] = build_report(events).findings
    assert target in (finding.fix or "")


def closures(keep: list[Any], how: str) -> Any:
    """Three functions of one source with another number each; `keep` holds on to them or not."""
    with jaxkit.watch() as log:
        for rate in (0.1, 0.2, 0.3):
            if how == "nested function":
                step = jax.jit(lambda x, rate=rate: x * rate)
            elif how == "partial":
                step = jax.jit(functools.partial(scaled, rate=rate))
            else:
                step = jax.jit(jax.grad(lambda x, rate=rate: (x * rate).sum()))
            keep.append(step)
            del keep[: len(keep) - (3 if keep[0] is None else 1)]
            step(np.ones(3, np.float32))
    return log.report().findings


def scaled(x: Any, rate: float) -> Any:
    return x * rate


@pytest.mark.parametrize("how", ["nested function", "partial", "gradient"])
def test_made_anew_in_a_loop_is_waste_and_kept_is_not(how: str) -> None:
    made_anew = [f for f in closures([], how) if f.kind == "closure-constant"]
    assert [f.severity for f in made_anew] == ["warning"]
    kept = [f for f in closures([None, None, None], how) if f.kind == "closure-constant"]
    assert [f.severity for f in kept] == ["info"]


@pytest.mark.parametrize(
    ("sizes", "severity"),
    [
        ((8, 16), "info"),
        ((8, 16, 64, 32), "info"),
        ((64, 32, 16), "info"),
        ((16, 8), "warning"),  # a short last batch
        ((4, 8), "warning"),  # below the smallest bucket
        ((8, 32), "warning"),  # not every power of two between
        ((8, 16, 24), "warning"),
        ((12, 24), "warning"),
        ((8, 16, 17), "warning"),
    ],
)
def test_sizes_that_double_are_buckets(sizes: tuple[int, ...], severity: str) -> None:
    causes = [
        Cause("shape-change", "x", f"f32[{small}]", f"f32[{large}]")
        for small, large in itertools.pairwise(sizes)
    ]
    assert findings(causes, STEP) == [severity]


@pytest.mark.parametrize(
    ("paths", "others", "axes", "call"),
    [
        (("x",), (), (0,), 'jaxkit.bucket(in_axes={"x": 0}, sizes=(5,))'),
        (("b['x']", "b['y']"), ("w",), (1,), 'jaxkit.bucket(in_axes={"b": 1}, sizes=(5,))'),
        (("x", "y"), (), (0,), 'jaxkit.bucket(in_axes={"x": 0, "y": 0}, sizes=(5,))'),
        (("b['x']",), ("b['length']",), (0,), None),  # not all of the argument has the axis
        (("x",), (), (0, 1), None),  # two axes
        (("*rows[0]",), (), (0,), None),  # no argument of that name
        (("self.buffer",), (), (0,), None),
    ],
)
def test_a_fix_names_the_call_that_does_it(
    paths: tuple[str, ...], others: tuple[str, ...], axes: tuple[int, ...], call: str | None
) -> None:
    def text(size: int) -> str:
        return f"f32[{','.join(str(size if axis in axes else 7) for axis in range(3))}]"

    causes = tuple(Cause("shape-change", path, text(5), text(3)) for path in paths)
    leaves = [Leaf(path, "array", text(3)) for path in paths]
    leaves += [Leaf(path, "array", "f32[9,9,9]") for path in others]
    recompiled = dataclasses.replace(
        event(1, causes[0], STEP), causes=causes, signature=Signature(tuple(leaves))
    )
    report = build_report([event(0, Cause("first"), STEP), recompiled])
    fix = report.findings[0].fix or ""
    assert (f", as {call} does, and" in fix) if call else ("bucket" not in fix)


@pytest.mark.parametrize(
    ("file", "severity"),
    [
        ("/lib/site-packages/jaxkit/numerics/precision/outputs.py", "info"),
        ("/home/me/src/jaxkit/testing/variants.py", "info"),
        ("/lib/site-packages/jaxkit/training/step.py", "warning"),
        ("/home/me/myjaxkit/timing/train.py", "warning"),
    ],
)
def test_programs_of_a_tool_are_by_design_and_those_of_training_are_not(
    file: str, severity: str
) -> None:
    function = dataclasses.replace(STEP, file=file)
    assert findings([Cause("shape-change", "x", "f32[3]", "f32[5]")], function) == [severity]
