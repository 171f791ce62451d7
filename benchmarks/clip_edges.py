"""What optax, PyTorch and jaxkit return at the edges: the table of docs/clipping.md.

`python benchmarks/clip_edges.py --write` puts the table into the page; without PyTorch its column
says "not run here".
"""

from __future__ import annotations

import argparse
import contextlib
import math
import platform
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxkit

try:
    import torch
except ImportError:
    torch = None

PAGE = Path(__file__).parents[1] / "docs" / "clipping.md"
BEGIN, END = "<!-- begin of the table -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Case:
    """Leaves that are clipped, by their global norm unless `run` says otherwise."""

    name: str
    leaves: list[list[float]]
    limit: float
    dtypes: tuple[str, ...] = ("float32",)
    right: str = ""
    traced: bool = False

    def tree(self) -> list[jax.Array]:
        """The leaves as arrays."""
        dtypes = self.dtypes * len(self.leaves)
        return [jnp.asarray(np.asarray(x), d) for x, d in zip(self.leaves, dtypes, strict=False)]


CASES = [
    Case("3e20, 4e20 in float32", [[3e20, 4e20]], 1.0, right="0.6 0.8"),
    Case("3e30, 4e30 in bfloat16", [[3e30, 4e30]], 1.0, ("bfloat16",), "0.6 0.8"),
    Case("3e200, 4e200 in float64", [[3e200, 4e200]], 1.0, ("float64",), "0.6 0.8"),
    Case("300, 400 in float16", [[300, 400]], 1.0, ("float16",), "0.6 0.8"),
    Case("3e-25, 4e-25, limit 1e-25", [[3e-25, 4e-25]], 1e-25, right="6e-26 8e-26"),
    Case("zeros, limit 0", [[0, 0]], 0.0, right="0 0"),
    Case("norm 12, limit 12", [[12]], 12.0, right="12"),
    Case("1e38, limit infinite", [[1e38, 1e38]], math.inf, right="1e+38 1e+38"),
    Case("limit -1", [[3, 4]], -1.0, right="an error"),
    Case("limit -1, traced", [[3, 4]], -1.0, right="0 0", traced=True),
    Case("1024 ones, each a bfloat16 leaf, limit 16", [[1.0]] * 1024, 16.0, ("bfloat16",), "0.5"),
    Case(
        "6e4 in float16 beside 8e4 in float32",
        [[6e4], [8e4]],
        1.0,
        ("float16", "float32"),
        "0.6 0.8",
    ),
    Case("NaN, 1", [[math.nan, 1]], 1.0, right="nan nan"),
    Case("inf, 1", [[math.inf, 1]], 1.0, right="nan 0"),
    Case("6e-8, 8e-8, limit 1e-8", [[6e-8, 8e-8]], 1e-8, right="6e-09 8e-09"),
]


def by_optax(tree: Any, limit: Any) -> Any:
    """What optax returns."""
    return optax.clip_by_global_norm(limit).update(tree, optax.EmptyState())[0]


def by_jaxkit(tree: Any, limit: Any) -> Any:
    """What jaxkit returns."""
    return jaxkit.clip_by_global_norm(tree, limit)[0]


def by_torch(tree: Any, limit: Any) -> Any:
    """What PyTorch leaves in the parameters."""
    assert torch is not None
    parameters = [torch.zeros(x.shape, dtype=getattr(torch, str(x.dtype))) for x in tree]
    for parameter, x in zip(parameters, tree, strict=True):
        values = torch.from_numpy(np.asarray(x).astype(np.float64))
        parameter.grad = values.to(parameter.dtype)
    torch.nn.utils.clip_grad_norm_(parameters, limit)
    return [np.asarray(parameter.grad.to(torch.float64)) for parameter in parameters]


def shown(call: Callable[[], Any]) -> str:
    """The numbers to 8 digits, equal leaves once; or the kind of error."""
    try:
        leaves = [np.asarray(x).astype(np.float64) for x in jax.tree.leaves(call())]
    except Exception as error:
        return type(error).__name__
    numbers = [f"{round(float(f'{v:.8g}'), 60):.8g}" for leaf in leaves for v in leaf.ravel()]
    return numbers[0] if len(numbers) > 2 else " ".join(numbers)


def rounded(numbers: str) -> str:
    """As `shown`, to the three digits that float16 and bfloat16 have at best."""
    try:
        return " ".join(f"{float(v):.2g}" for v in numbers.split())
    except ValueError:
        return numbers


def row(case: Case) -> list[str]:
    """One line of the table."""
    x64 = jax.enable_x64(True) if "float64" in case.dtypes else contextlib.nullcontext()
    with x64:
        tree = case.tree()
        sides: list[str] = []
        for clip in (by_optax, by_torch, by_jaxkit):
            if clip is by_torch and torch is None:
                sides.append("not run here")
            elif case.traced and clip is by_torch:
                sides.append("")
            else:
                run = jax.jit(clip) if case.traced else clip
                sides.append(shown(lambda: run(tree, case.limit)))  # noqa: B023
    low = set(case.dtypes) & {"float16", "bfloat16"}
    sides = [rounded(side) if low else side for side in sides]
    return [case.name, *(each.replace("ValueError", "an error") for each in sides), case.right]


def derivative(clip: Any, at: list[float]) -> str:
    """The Jacobian of a clip with the limit 1."""
    found = jax.jacobian(lambda x: clip([x], 1.0)[0])(jnp.array(at))
    return str(np.asarray(found).tolist())


def others() -> list[list[str]]:
    """What is not one call of a clip on numbers."""
    array = jnp.float32(1.0)
    half = [jnp.array([3.0, 4.0], jnp.bfloat16)]
    integer = [jnp.array([3.0, 4.0]), np.zeros(2, jax.dtypes.float0)]
    rows = jnp.array([[3e20, 4e20], [0.3, 0.4]])

    def dtype(clip: Any) -> str:
        try:
            return str(clip(half, array)[0].dtype)
        except Exception as error:
            return type(error).__name__

    def beside_float0(clip: Any) -> str:
        return shown(lambda: clip(integer, 1.0)[0])

    by_row = optax.per_example_global_norm_clip([rows], 1.0)[0]
    mine = jaxkit.clip_per_example([rows], 1.0)[0]
    torch_column = "not run here" if torch is None else ""
    return [
        ["derivative at 0", *sandwich(derivative, torch_column, [0.0, 0.0]), "the identity"],
        ["bfloat16 leaf, limit a float32 array", *sandwich(dtype, torch_column), "bfloat16"],
        ["3, 4 beside a float0 leaf", *sandwich(beside_float0, torch_column), "0.6 0.8"],
        [
            "sum of the examples (3e20, 4e20) and (0.3, 0.4)",
            shown(lambda: by_row),
            torch_column,
            shown(lambda: [x.sum(0) for x in mine]),
            "0.9 1.2",
        ],
    ]


def sandwich(ask: Callable[..., str], torch_column: str, *args: Any) -> list[str]:
    """An answer of optax and one of jaxkit around the column of PyTorch."""
    return [ask(by_optax, *args), torch_column, ask(by_jaxkit, *args)]


def table() -> str:
    """The table, and what made it."""
    version = "not installed" if torch is None else torch.__version__
    made_by = (
        f"Python {platform.python_version()}, JAX {jax.__version__} on the CPU, "
        f"optax {optax.__version__}, torch {version}."
    )
    lines = [["gradients", "optax", "torch", "jaxkit", "right"], ["---"] * 5]
    lines += [row(case) for case in CASES] + others()
    return "\n".join([made_by, "", *(f"| {' | '.join(each)} |" for each in lines)])


def main() -> None:
    """Prints the table, or writes it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"into {PAGE}")
    warnings.simplefilter("ignore")
    made = table()
    if not parser.parse_args().write:
        print(made)
        return
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
