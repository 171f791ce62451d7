"""`jaxkit inspect`: functions by name, arguments as they are written, what is wrong with them."""

# ruff: noqa: UP037 - dimensions of jaxtyping are no types

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array, Bool, Float32, Int8, Key, Shaped

from jaxkit.cli import main
from jaxkit.cli.annotated import from_annotations
from jaxkit.cli.shapes import Fixed, read_argument
from jaxkit.errors import UsageError

MODEL = """
import jax, jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

def loss(w: Float[Array, "d k"], x: Float[Array, "b d"], y: Int[Array, " b"], eps: float = 1e-6):
    return -jax.nn.log_softmax(x @ w)[jnp.arange(y.shape[0]), y].mean()

def other(w, x, y):
    return -jax.nn.log_softmax(jnp.tanh(x @ w))[jnp.arange(y.shape[0]), y].mean()

def pick(x, axis, *, mode="sum"):
    return {"sum": jnp.sum, "max": jnp.max}[mode](x, axis)

def tree(parameters, key):
    return jax.random.normal(key, (3,)) @ parameters["w"][0] + parameters["b"]

def both(x, y):
    return x * y, x + 1

def raises(x):
    raise ZeroDivisionError("mine")

def arguments():
    return jax.ShapeDtypeStruct((4, 4), "float32"), jax.ShapeDtypeStruct((4, 4), "float32")

class Model:
    @staticmethod
    def apply(x):
        return x @ x

def turns(x):
    return jax.lax.while_loop(lambda x: x.sum() < 9, lambda x: x * 2, x)

def twice(key):
    return jax.random.normal(key) + jax.random.normal(key)

class Net:
    def forward(self, x):
        return x

CONSTANT = 3
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "a_model.py"
    path.write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield path
    sys.path[:] = before
    sys.modules.pop("a_model", None)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["inspect", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["inspect", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("jaxkit: ")
    return captured.err.removeprefix("jaxkit: ").rstrip("\n")


ARGS = ("--args", "f32[8,3]", "f32[4,8]", "i32[4]")


@pytest.mark.parametrize("target", ["a_model:loss", "a_model.py:loss", "./a_model.py:loss"])
def test_a_function_by_module_and_by_file(
    model: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    out = said(capsys, target, *ARGS)
    assert out.startswith("loss: ")
    assert "a_model.py:6 in loss" in out
    assert "100% loss" in out  # its tree


def test_the_gradient_costs_three_products(
    model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = {}
    for name, *options in (("value",), ("grad", "--grad")):
        path = tmp_path / f"{name}.json"
        said(capsys, "a_model:loss", *options, "--report", str(path), *ARGS)
        found[name] = json.loads(path.read_text())["data"]["total"]["matmul_flops"]
    assert found == {"value": 2 * 4 * 8 * 3, "grad": 3 * 2 * 4 * 8 * 3}


def test_the_gradient_of_more_than_one_number(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "a_model:both", "--grad", "f32[3]", "f32[3]").startswith("both: ")
    assert refused(capsys, "a_model:both", "--grad", "i32[3]", "i32[3]") == (
        "--grad needs a positional argument all of whose arrays are floats"
    )


def test_arguments_of_annotations(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ("--dim", "b=4", "--dim", "d=8", "--dim", "k=3")
    assert said(capsys, "a_model:loss", *sizes) == said(capsys, "a_model:loss", *ARGS)
    assert refused(capsys, "a_model:loss", "--dim", "d=8") == (
        "parameter 'w': dimension 'k' has no size: --dim k=32"
    )
    assert refused(capsys, "a_model:other").startswith(
        "parameter 'w' has no annotation; say what it is: --args"
    )


def test_plain_values_keywords_and_trees(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "reduce_max" in said(capsys, "a_model:pick", "f32[3,4]", "axis=0", "mode='max'")
    assert "reduce_sum" in said(capsys, "a_model:pick", "f32[3,4]", "None")
    tree = '{"w": ["f32[3,5]"], "b": weak f32[]}'
    assert "dot_general" in said(capsys, "a_model:tree", "--args", tree, "key")


def test_arguments_of_a_function(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "both: " in said(capsys, "a_model:both", "--args-from", "arguments")
    assert said(capsys, "a_model:Model.apply", "--args", "f32[4,4]").startswith("apply: ")
    assert refused(capsys, "a_model:both", "--args-from", "nowhere") == (
        "--args-from nowhere: a_model has no such function"
    )


def test_a_tree_as_deep_as_asked(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def rows(*options: str) -> list[str]:
        out = said(capsys, "a_model:loss", *options, *ARGS)
        assert out.startswith("loss: ")  # the figures stay
        return [line for line in out.splitlines() if re.match(r"[#.]{10} ", line)]

    assert len(rows("--depth", "0")) == 1
    assert len(rows("--depth", "1")) > 1


def test_what_is_asked_for_is_said_at_any_depth(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    depth = "--depth", "0"
    for options in ((), depth, ("--against", "a_model:twice")):
        out = said(capsys, "a_model:twice", "--lint", *options, "key")
        assert "warning key-reuse" in out
        assert "a_model.py" in out
    for options in ((), depth, ("--against", "a_model:turns")):
        out = said(capsys, "a_model:turns", *options, "f32[3]")
        assert "not in these figures, or counted once (1)" in out
        assert "nothing found" not in out
        assert "lints: nothing found" in said(capsys, "a_model:turns", "--lint", *options, "f32[3]")
    assert refused(capsys, "a_model:turns", *depth, "--against", "a_model:turns", "f32[3]") == (
        "--depth shows one function's tree, --against what differs: give one"
    )


def test_how_often_a_loop_is_said_to_turn(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ", as often as it takes" in said(capsys, "a_model:turns", "f32[3]")
    assert ", 10 times (as told)" in said(capsys, "a_model:turns", "f32[3]", "--trip-counts", "10")


def test_the_first_use_of_a_key_has_its_column(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = " ".join(said(capsys, "a_model:twice", "--lint", "key").split())
    assert "(a_model.py:35, column 12)" in out


def test_frames_of_ours_are_not_shown(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, "a_model:both", "f32[2]", "f32[3]")
    assert error.startswith("tracing a_model:both failed:\nTraceback ")
    assert "return x * y, x + 1" in error
    assert "jaxkit/cli" not in error
    assert "internal frames" not in error


def test_against_another_function(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "a_model:loss", "--against", "a_model:other", *ARGS)
    assert out.startswith("loss -> other: 1 equation added;")
    assert "tanh" in out


def test_reports(model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    paths = [tmp_path / f"out{suffix}" for suffix in (".html", ".txt", ".json", ".sarif")]
    options = [option for path in paths for option in ("--report", str(path))]
    said(capsys, "a_model:loss", "--lint", *options, *ARGS)
    assert all(path.stat().st_size > 100 for path in paths)
    assert refused(capsys, "a_model:loss", "--report", "x.doc", *ARGS).startswith(
        "cannot write a report to 'x.doc'"
    )


def test_the_users_own_error_is_shown_whole(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(capsys, "a_model:raises", "f32[2]")
    assert error.startswith("tracing a_model:raises failed:\nTraceback ")
    assert "ZeroDivisionError: mine" in error
    assert "jaxkit.inspect was tracing 'raises'; it was not run" in error
    model.write_text("import nowhere_at_all")
    error = refused(capsys, "a_model.py:f", "f32[2]")
    assert error.startswith("importing a_model.py failed:")
    assert "ModuleNotFoundError" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("a_model", "f32[2]"),
            (
                "'a_model' must be module:function or path/to/file.py:function, such as "
                "package.train:train_step"
            ),
        ),
        (
            ("a_model.py", "f32[2]"),
            (
                "'a_model.py' must be module:function or path/to/file.py:function, such as "
                "a_model.py:train_step"
            ),
        ),
        (("nowhere.py:f", "f32[2]"), "there is no file 'nowhere.py'"),
        (
            ("no.where:f", "f32[2]"),
            (
                "there is no module 'no' here or installed; the file itself can be named: "
                "no/where.py:function"
            ),
        ),
        (("a_model:los", "f32[2]"), "a_model has no 'los'; did you mean loss?"),
        (
            ("a_model:inner_one", "f32[2]"),
            "a_model has no 'inner_one'; a function inside another function cannot be named",
        ),
        (("a_model:CONSTANT", "f32[2]"), "a_model:CONSTANT must be a function, got int"),
        (
            ("a_model:both", "f33[2]", "f32[2]"),
            "--args number 1, 'f33[2]': there is no dtype 'f33'; did you mean f32?",
        ),
        (
            ("a_model:both", "f32[2]", "f32[n]"),
            "--args number 2, 'f32[n]': dimension 'n' has no size: --dim n=32",
        ),
        (
            ("a_model:both", "f32[2]", "y=f32[1.5]"),
            "--args y= 'f32[1.5]': '1.5' is no size: 32, a name given by --dim, or 2*b",
        ),
        (
            ("a_model:both", "x=f32[2]", "f32[2]"),
            "--args 'f32[2]' comes after x=: those come last",
        ),
        (
            ("a_model:both", "f32[2"),
            (
                '--args number 1, \'f32[2\' cannot be read: write "f32[32,128]", "weak f32[]", '
                '"key", {"x": "i32[8]"} or a Python value'
            ),
        ),
        (
            ("a_model:both", "f64[2]", "f32[2]"),
            "--args number 1, 'f64[2]': f64 needs 64 bits, which are off: set JAX_ENABLE_X64=1",
        ),
        (
            ("a_model:both", "f32[2]", "mean"),
            (
                "--args number 2, 'mean': there is no dtype 'mean'; there are f64, f32, f16, bf16, "
                "i64, i32, i16, i8, u64, u32, u16, u8, c64, c128, bool, f8_e4m3fn, f8_e5m2; a text "
                "is written \"'mean'\""
            ),
        ),
        (
            ("a_model:both", "f32[2]"),
            "a_model:both takes (x, y): missing a required argument: 'y'",
        ),
        (
            ("a_model:both", "f32[2],i32[]"),
            (
                "a_model:both takes (x, y): missing a required argument: 'y'; 'f32[2],i32[]' is "
                'one tuple, arguments of their own are written "f32[2]" "i32"'
            ),
        ),
        (
            ("a_model:Net.forward", "f32[2]"),
            (
                "a_model:Net.forward takes (self, x): missing a required argument: 'x'; it is a "
                "method: name that of an instance, such as module:model.forward"
            ),
        ),
        (
            ("a_model:both", "--dim", "b=2", "--dim", "c=3", "--args", "f32[b]", "f32[b]"),
            "--dim c=3: no dimension of the arguments is called 'c'; those are b",
        ),
        (
            ("a_model:both", "--dim", "b", "f32[2]"),
            "--dim must be NAME=SIZE, such as --dim b=32, got 'b'",
        ),
        (
            ("a_model:both", "--args", "f32[2]", "--args", "f32[2]", "f32[2]"),
            'give --args once, with all arguments after it: --args "f32[2]" "i32[3]"',
        ),
        (
            ("a_model:both", "--args-from", "arguments", "f32[2]"),
            "--args and --args-from both say what the arguments are: give one of them",
        ),
    ],
)
def test_mistakes(
    model: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert refused(capsys, *arguments) == message


def struct(*shape: int, dtype: Any = "float32", weak: bool = False) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype), weak_type=weak)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f32[32, 128]", struct(32, 128)),
        ("float32[3]", struct(3)),
        ("bf16[]", struct(dtype="bfloat16")),
        ("i8", struct(dtype="int8")),
        ("bool[0,2]", struct(0, 2, dtype="bool")),
        ("weak f32[]", struct(weak=True)),
        ("f32[2*b+1, b//2]", struct(9, 2)),
        ("(f32[1], [i32[2]])", (struct(1), [struct(2, dtype="int32")])),
        ('{"x": "f32[3]", "y": {"z": u8[1]}}', {"x": struct(3), "y": {"z": struct(1, dtype="u1")}}),
        ("'mean'", Fixed("mean")),
        ("-1.5", Fixed(-1.5)),
        ("True", Fixed(True)),
        ("None", Fixed(None)),
        ("{'axis': (0, 1)}", {"axis": (Fixed(0), Fixed(1))}),
    ],
)
def test_the_grammar(text: str, expected: Any) -> None:
    assert read_argument(text, {"b": 4}) == expected


def test_keys() -> None:
    one, many = read_argument("key", {}), read_argument("key[4, 2]", {})
    assert (one.shape, many.shape) == ((), (4, 2))
    assert jnp.issubdtype(one.dtype, jax.dtypes.prng_key)


def test_annotations_of_other_kinds() -> None:
    def fun(
        k: Key[Array, ""],
        *,
        a: Bool[Array, "*batch #b 2*b"],
        c: Int8[Array, "..."],
        d: Shaped[Array, "3 width=b"],
        e: Float32[Array, ""],
    ) -> None: ...

    found = from_annotations(fun, {"b": 2})
    assert found.pop("k").shape == ()
    assert found == {
        "a": struct(2, 4, dtype="bool"),
        "c": struct(dtype="int8"),
        "d": struct(3, 2),
        "e": struct(),
    }

    def unknown(x: Float32[Array, "_ 3"], y: int) -> None: ...

    with pytest.raises(UsageError, match="parameter 'x' has a dimension without a name"):
        from_annotations(unknown, {})
