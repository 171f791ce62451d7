"""`jaxkit run --apply`: transforms on functions of programs that are not edited."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from jaxkit.cli import rewrite
from jaxkit.cli.applications import Application, check_transforms, read_applications
from jaxkit.cli.scan import Scan, explain_missing
from jaxkit.errors import UsageError
from tests.cli.both import jaxkit, python


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__slash__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")


TRAIN = """
    '''A program.'''
    from __future__ import annotations
    import inspect, sys
    import jax, jax.numpy as jnp
    from losses import mean_square

    def loss_fn(weights, batch):
        prediction = batch @ weights
        return mean_square(prediction), {"prediction": prediction}

    @jax.jit
    def step(weights, batch):
        (loss, _), slope = jax.value_and_grad(loss_fn, has_aux=True)(weights, batch)
        return weights - 0.1 * slope, loss

    def main():
        weights = jnp.ones(3)
        for i in range(6):
            batch = jnp.ones((2, 3)) * (jnp.nan if i == 3 else 1.0)
            weights, loss = step(weights, batch)
            print(i, float(loss))

    if __name__ == "__main__":
        print(__file__, sys.argv, sys.path[0], __spec__, __doc__, sorted(globals()))
        print(inspect.getsource(loss_fn))
        main()
"""
LOSSES = """
    import jax.numpy as jnp

    def mean_square(x):
        return jnp.mean(x**2)
"""


def test_a_script_stops_at_the_first_value_that_is_not_finite(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, losses=LOSSES)
    found = jaxkit(
        *("run", "--apply", "check_finite@loss_fn", "--apply", "check_finite@losses:mean_square"),
        *("--report", "out.json", "train.py", "--epochs", "3"),
        cwd=tmp_path,
        TMPDIR=str(tmp_path),
    )
    assert not (tmp_path / "__pycache__").exists()  # nothing rewritten is cached
    expected = python("train.py", "--epochs", "3", cwd=tmp_path)
    said = found.stderr.decode()

    assert found.code == 1
    lines = len(found.stdout.splitlines())
    assert found.stdout.splitlines() == expected.stdout.splitlines()[:lines]
    assert found.stdout.splitlines()[-1].startswith(b"2 0.23")
    assert "jaxkit: applied check_finite to mean_square (losses.py:3)\n" in said
    assert said.count("jaxkit: applied check_finite to loss_fn (train.py:7)\n") == 1
    at = said.index("Traceback")
    traceback = said[at : said.index("\njaxkit: ", at)]
    kept = [line for line in traceback.splitlines() if line.strip(" ^~")]
    assert kept == [
        "Traceback (most recent call last):",
        f'  File "{tmp_path}/train.py", line 26, in <module>',
        "    main()",
        f'  File "{tmp_path}/train.py", line 20, in main',
        "    weights, loss = step(weights, batch)",
        f"jaxkit.errors.NonFiniteError: mean_square (losses.py:3) {BAD} in call 4",
        "  output f32[] is NaN",
        "  called from train.py:9 in loss_fn",
        "  in a program that was started from train.py:20 in main",
    ]
    report: dict[str, Any] = json.loads((tmp_path / "out.json").read_text("utf-8"))
    finding = report["findings"][0]
    assert (report["tool"], finding["kind"]) == ("compiles", "non-finite-output")
    assert (finding["data"]["call"], finding["where"]["line"]) == (4, 9)
    assert "non-finite-output  mean_square (losses.py:3)" in said
    assert {path.name for path in tmp_path.iterdir()} == {
        "train.py",
        "losses.py",
        "out.json",
        "__pycache__",
    }


BAD = "returned a value that is not finite"

LATE = """
    import os
    os.environ["JAX_NUM_CPU_DEVICES"] = "2"
    import jax, jax.numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec as P
    mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))

    def make_step(rate):
        loss_fn = lambda w, x: jnp.mean((x @ w) ** 2)
        @jax.jit
        def step(w, x):
            loss, slope = jax.value_and_grad(loss_fn)(w, x)
            return w - rate * slope, loss
        return step

    step = make_step(0.1)
    w = jnp.ones((64, 64))
    for i in range(100_000):
        x = jnp.ones((4, 64)) * (jnp.nan if i == 3 else 1.0)
        w, loss = step(w, jax.device_put(x, NamedSharding(mesh, P("d"))))
    print("finished")
"""


def test_a_loop_that_asks_for_no_result_is_stopped_on_several_devices(tmp_path: Path) -> None:
    write(tmp_path, late=LATE)
    found = jaxkit(
        "run", "-q", "--apply", "check_finite@make_step.<locals>.loss_fn", "late.py", cwd=tmp_path
    )
    said = found.stderr.decode()
    assert (found.code, found.stdout) == (1, b"")
    assert "applied" not in said
    assert said.rstrip().endswith(
        "NonFiniteError: <lambda> (late.py:8) returned a value that is not finite in call 4\n"
        "  output f32[] is NaN\n  called from late.py:11 in step"
    )


PLAIN = """
    import sys
    from functools import lru_cache
    print(__name__, __package__, sys.argv[1:], sys.path[0] == sys.argv[0].rpartition("/")[0])

    class Model:
        @staticmethod
        @lru_cache
        def double(x):
            return 2 * x

    def never():
        def inner(): ...
        return inner

    print(Model.double(2.0), "__import__" in globals(), "jaxkit" in globals())
    if "interrupt" in sys.argv:
        raise KeyboardInterrupt
    sys.exit(int(sys.argv[1]))
"""


def test_what_python_does_stays(tmp_path: Path) -> None:
    """A package run by -m, exit codes, Ctrl-C; and functions that are never reached."""
    write(tmp_path, pack__slash____init__="", pack__slash__work=PLAIN)
    apply = ("run", "-q", "--apply", "x64@Model.double", "--apply", "check_finite@inner")
    for program in (("-m", "pack.work"), ("pack/work.py",)):
        expected = python(*program, "3", cwd=tmp_path)
        found = jaxkit(*apply, *program, "3", cwd=tmp_path)
        assert (found.code, found.stdout) == (3, expected.stdout)
        assert found.stderr.decode() == (
            "jaxkit: --apply check_finite@inner: the program never got to inner (pack/work.py:12)\n"
        )
    found = jaxkit(*apply, "pack/work.py", "0", cwd=tmp_path)
    assert found.code == 2
    expected = python("pack/work.py", "interrupt", cwd=tmp_path)
    found = jaxkit(*apply, "pack/work.py", "interrupt", cwd=tmp_path)
    assert (found.code, found.stdout) == (expected.code, expected.stdout)
    assert found.stderr.startswith(expected.stderr)


DYNAMIC = """
    import importlib
    module = importlib.import_module("other")
    print("done")
"""


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (
            "check_finit@loss_fn",
            "there is no transform 'check_finit'; did you mean 'check_finite'?",
        ),
        (
            "check_finite:allow=1@loss_fn",
            "check_finite() has no option 'allow'; it has 'allow_inf'",
        ),
        ("max_compiles:n=-1@loss_fn", "n must be 0 or more, got n=-1"),
        ("clip_gradients@loss_fn", "needs 'max_norm'"),
    ],
)
def test_wrong_transforms_are_said_before(apply: str, message: str) -> None:
    with pytest.raises(UsageError) as found:
        check_transforms(read_applications([apply]))
    assert str(found.value).startswith(f"--apply {apply}: ")
    assert message in str(found.value)


def test_names_that_are_never_defined(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, losses=LOSSES)
    found = jaxkit("run", "--apply", "check_finite@los_fn", "train.py", cwd=tmp_path)
    assert (found.code, found.stdout) == (2, b"")
    assert found.stderr.decode() == (
        "jaxkit: --apply check_finite@los_fn: no function los_fn is defined in the 2 files that "
        "were looked at; did you mean loss_fn (train.py:7)?\n"
    )
    write(tmp_path, dynamic=DYNAMIC, other="def loss(x):\n    return x\n")
    found = jaxkit("run", "--apply", "check_finite@los_fn", "dynamic.py", cwd=tmp_path)
    assert (found.code, found.stdout) == (2, b"done\n")
    assert found.stderr.decode() == (
        "jaxkit: --apply check_finite@los_fn: no function los_fn is defined in other.py; "
        "did you mean loss (other.py:1)?\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("check_finite", "which names no function: check_finite@..."),
        ("@loss_fn", "--apply must be NAME[:option=value,...]@FUNCTION"),
        ("x64:@f", "--apply must be NAME[:option=value,...]@FUNCTION"),
        ("x64:cast_back@f", "options are option=value, got 'cast_back'"),
        ("x64:a=1,a=2@f", "the option 'a' is given twice"),
        ("x64@a-b", "the function must be a name such as loss_fn"),
        ("x64@", "the function must be a name such as loss_fn"),
    ],
)
def test_wrong_forms(text: str, message: str) -> None:
    with pytest.raises(UsageError) as found:
        read_applications([text])
    assert message in str(found.value)


def test_options_are_literals_or_text() -> None:
    (found,) = read_applications(["t:a=(1, 2),b=text,c='x,y',d=None,e={'k': 1}@m.n:A.<locals>.f"])
    assert found.options == {"a": (1, 2), "b": "text", "c": "x,y", "d": None, "e": {"k": 1}}
    assert (found.name, found.module, found.path) == ("t", "m.n", ("A", "f"))


SOURCE = '''
"""Doc."""
from __future__ import annotations
import functools

def outer(k):
    @functools.wraps(
        outer
    )
    def loss_fn(x): return x
    return loss_fn

class Model:
    loss_fn = lambda self, x: x
    async def loss_fn_async(self): ...
    @property
    def loss_fn(self): return 1
'''


def test_rewriting_keeps_every_line() -> None:
    tree = rewrite.parse(SOURCE.encode(), "f.py")
    found = [each for each in rewrite.definitions(tree) if rewrite.matches(each, ("loss_fn",))]
    assert [(each.qualname, each.kind, each.line) for each in found] == [
        ("outer.<locals>.loss_fn", "function", 10),
        ("Model.loss_fn", "lambda", 14),
        ("Model.loss_fn", "function", 17),
    ]
    for each in found:
        rewrite.decorate(each, ["note(0)", "note(1)"])
    rewrite.begin_with(tree, "note(2)(None)")
    lines: list[tuple[int, str, int]] = []

    def note(number: int) -> Any:
        import sys

        line = sys._getframe(1).f_lineno

        def wrap(fun: Any) -> Any:
            lines.append((number, getattr(fun, "__qualname__", "None"), line))
            return fun

        return wrap

    names: dict[str, Any] = {"note": note}
    exec(compile(tree, "f.py", "exec", dont_inherit=True), names)
    assert names["__doc__"] == "Doc."
    assert names["outer"].__code__.co_firstlineno == 6
    assert names["outer"](1).__code__.co_firstlineno == 7
    assert lines == [
        (2, "None", 4),
        (0, "Model.<lambda>", 14),
        (1, "Model.<lambda>", 14),
        (0, "Model.loss_fn", 17),
        (1, "Model.loss_fn", 17),
        (0, "outer.<locals>.loss_fn", 10),
        (1, "outer.<locals>.loss_fn", 10),
    ]


MADE = """
    import jax
    class Model:
        def __call__(self, x): return x
    def _loss(x): return x
    loss = jax.jit(_loss)
"""


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("loss", "; loss (made.py:5) is not defined there but made by jax.jit(_loss): name _loss"),
        ("Model", "; Model (made.py:2) is a class: name one of its methods, such as Model.__call_"),
        ("Model.call", "; did you mean Model.__call__ (made.py:3)?"),
        ("zebra", "; there are Model.__call__, _loss"),
    ],
)
def test_what_may_have_been_meant(
    name: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, made=MADE)
    scan = Scan("made.py", module=False)
    application = Application(f"x64@{name}", "x64", {}, None, tuple(name.split(".")))
    assert scan.missing(application)
    assert hint in explain_missing(application, scan.definitions)
