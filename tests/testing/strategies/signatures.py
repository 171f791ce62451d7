# ruff: noqa: F821, B008  (dimensions are no names)
"""Annotated functions, one for each thing that an annotation can say. They do nothing.

What they are drawn for is checked by jaxtyping and beartype, not by what they do.
"""

import dataclasses
import enum
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    TypedDict,
    TypeVar,
    Unpack,
)

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import (
    AbstractDtype,
    Array,
    ArrayLike,
    BFloat16,
    Bool,
    Complex,
    Complex64,
    Float,
    Float8e4m3fn,
    Float16,
    Float32,
    Float64,
    Inexact,
    Int,
    Int4,
    Int8,
    Integer,
    Key,
    Num,
    PRNGKeyArray,
    PyTree,
    Real,
    Scalar,
    ScalarLike,
    Shaped,
    UInt,
    UInt8,
    make_numpy_struct_dtype,
)

T = TypeVar("T")
AnyArray = TypeVar("AnyArray", jax.Array, np.ndarray)
Bounded = TypeVar("Bounded", bound=jax.Array)
Width = NewType("Width", int)
Image = Float[Array, "h w c=3"]


class Small(AbstractDtype):
    dtypes = ("int8", re.compile("^uint(8|16)$"))


RECORD = np.dtype([("id", np.uint8), ("at", np.float32, (2,))])
Record = make_numpy_struct_dtype(RECORD, "Record")


class Mode(enum.Enum):
    TRAIN = "train"
    TEST = "test"


class Batch(NamedTuple):
    x: Float[Array, "b d"]
    y: Int[Array, "b"]
    weight: Float[Array, "b"] | None = None


class Options(TypedDict):
    scale: Float[Array, ""]
    mask: NotRequired[Bool[Array, "b"]]


@dataclasses.dataclass
class State:
    params: Float[Array, "d k"]
    step: int = 0
    history: list[Float[Array, "k"]] = dataclasses.field(default_factory=list)


class Linear(eqx.Module):
    weight: Float[Array, "out in"]
    bias: Float[Array, "out"] | None
    activation: Callable[[Array], Array] = jax.nn.relu
    use_bias: bool = eqx.field(static=True, default=True)


class Stack(eqx.Module):
    first: Linear
    rest: "Stack | None" = None


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


def matmul(x: Float[Array, "b k"], y: Float[Array, "k n"]): ...
def scalar(x: Float[Array, ""], y: Scalar, z: ScalarLike): ...
def batch(x: Float[Array, "*batch c"], y: Float[Array, "*batch"], z: Float[Array, "... c"]): ...
def broadcast(x: Float[Array, "#n #m"], y: Float[Array, "#n m"], z: Float[Array, "n"]): ...
def broadcast_only(x: Float[Array, "*#batch a"], y: Float[Array, "*#batch a"]): ...
def broadcast_batch(x: Float[Array, "*batch"], y: Float[Array, "#*batch"]): ...
def symbolic(x: Float[Array, "n m"], y: Float[Array, "n+1 2*m"], z: Float[Array, "n//1 m-1"]): ...
def symbolic_call(x: Float[Array, "n m"], y: Float[Array, "min(n,m) max(n,m)-min(n,m)+1"]): ...
def symbolic_broadcast(x: Float[Array, "#n"], y: Float[Array, "n+1"], z: Float[Array, "#n-1"]): ...
def symbolic_far(x: Float[Array, "n"], y: Float[Array, "n-20"], z: Float[Array, "m"]): ...
def anonymous(x: Float[Array, "_ n _rows"], y: Float[Array, "n _"], z: Int[Array, "*_ n"]): ...
def literal(x: Float[Array, "3 rows=4 #2"], y: Float[Array, "#rows=4 03"]): ...
def documented(x: Float[Array, "rows=n cols=3"], y: Float[Array, "n rows=n+1"]): ...
def numpy_and_jax(x: Float[np.ndarray, "n"], y: Num[Array, "n"], z: Shaped[np.ndarray, "n 2"]): ...
def either(x: Float[Array | np.ndarray, "n"], y: Float[Any, "n"], z: Shaped[ArrayLike, "n"]): ...
def like(x: ArrayLike, y: Float[ArrayLike, ""], z: Int[ArrayLike, ""], w: Bool[ArrayLike, ""]): ...
def plain(x: jax.Array, y: np.ndarray, z: jnp.ndarray, w: npt.NDArray[np.float32]): ...
def numpy_scalars(x: np.float32, y: np.int8, z: np.number, w: np.bool_): ...
def dtypes(
    a: Bool[Array, "n"],
    b: Int[Array, "n"],
    c: UInt[Array, "n"],
    d: Integer[Array, "n"],
    e: Real[Array, "n"],
    f: Inexact[Array, "n"],
    g: Complex[Array, "n"],
    h: Num[Array, "n"],
    i: Shaped[Array, "n"],
): ...
def exact_dtypes(
    a: BFloat16[Array, "n"],
    b: Float16[Array, "n"],
    c: Float32[Array, "n"],
    d: Float8e4m3fn[Array, "n"],
    e: Int8[Array, "n"],
    f: UInt8[Array, "n"],
    g: Complex64[Array, "n"],
    h: Int4[Array, "n"],
    i: Small[Array, "n"],
    j: Float64[np.ndarray, "n"],
    k: Float32[Array, "n"] | Float64[Array, "n"],
): ...
def keys(a: PRNGKeyArray, b: Key[Array, ""], c: Key[Array, "n"], d: PRNGKeyArray | None): ...
def key_arrays(x: Shaped[PRNGKeyArray, "n"], y: Float[Array, "n"]): ...
def nested(x: Float[Float[Array, "a"], "b"], y: Shaped[Image, "b"], z: Float32[Image, "*n"]): ...
def optional(x: Float[Array, "n"] | None, y: Int[Array, "n m"] | None, z: Float[Array, "m"]): ...
def alternatives(
    x: Float[Array, "n"] | Float[Array, "m"], y: Float[Array, "n"], z: Float[Array, "m"]
): ...
def ranks(x: Float[Array, "n"] | Float[Array, "m n"], y: Float[Array, "n m"]): ...
def hidden(x: Float[Array, "n 3"] | Float[Array, "m k"], y: Float[Array, "n m k"]): ...
def binding(x: Float[Array, "n"] | None, y: Float[Array, "m"], z: Float[Array, "n+m"]): ...
def tuples(
    x: tuple[Float[Array, "n"], Int[Array, "m"]], y: tuple[Float[Array, "n m"], ...], z: tuple[()]
): ...
def lists(x: list[Float[Array, "n"]], y: Sequence[Int[Array, "n"]], z: list[tuple[int, float]]): ...
def more(x: Iterable[Float[Array, "n"]], y: set[int], z: frozenset[str], w: tuple, v: list): ...
def dicts(
    x: dict[str, Float[Array, "n"]], y: Mapping[str, Int[Array, "n"]], z: dict[int, bool]
): ...
def trees(
    x: PyTree[Float[Array, "n"]], y: PyTree[Float[Array, "..."]], z: PyTree, w: PyTree[int]
): ...
def structures(x: PyTree[Float[Array, "n"], "T"], y: PyTree[Int[Array, "n"], "T"]): ...
def composed(
    x: PyTree[Float[Array, ""], "S"],
    y: PyTree[int, "T"],
    z: PyTree[Float[Array, ""], "S T"],
    v: PyTree[bool, "... T"],
    w: PyTree[Float[Array, "_"], "S ..."],
): ...
def per_leaf(
    x: PyTree[Float[Array, "?n m"], "T"],
    y: PyTree[Float[Array, "m ?n"], "T"],
    z: PyTree[Float[Array, "?*b"], "T"],
    w: PyTree[Float[Array, "*?b ?#n"], "T"],
): ...
def leaf_kinds(x: PyTree[Float[Array, "n"] | None], y: PyTree[tuple[int, int]], z: PyTree[str]): ...
def named(x: Batch, y: Float[Array, "d"], z: Options): ...
def classes(x: State, y: Float[Array, "k"], z: Box[Float[Array, "d"]], w: Box[int]): ...
def module(x: Linear, y: Float[Array, "in"], z: Stack): ...
def variables(x: AnyArray, y: AnyArray, z: Bounded, w: Float[Bounded, "n"], v: T): ...
def python(a: int, b: float, c: bool, d: str, e: complex, f: None, g: bytes, h: Width): ...
def constants(a: Literal["sum", "mean"], b: Mode, c: Annotated[Float[Array, "n"], "a note"]): ...
def defaults(
    x: Float[Array, "n d"],
    y: Float[Array, "d"] = jnp.ones(3),
    z: Float[Array, "n"] | None = None,
    mode: str = "sum",
): ...
def kinds(
    a: Float[Array, "n"],
    /,
    b: Float[Array, "m"],
    *rest: Float[Array, "n m"],
    c: Int[Array, "m"],
    d: int = 3,
    **others: Float[Array, "n"],
): ...
def asked(size: int, x: Float[Array, "{size}"], y: Float[Array, "n {size}+1"]): ...
def asked_later(x: Float[Array, "{width}*2"], *, width: int): ...
def structs(x: Float[jax.ShapeDtypeStruct, "n"], y: Float[Array, "n"]): ...
def records(x: Record[np.ndarray, "n"], y: Float[Array, "n"]): ...
def unpacked(*args: Float[Array, "n"], **kwargs: Unpack[Options]): ...
def anything(x: Any, y: object): ...


FUNCTIONS = [
    value
    for value in list(globals().values())
    if inspect.isfunction(value) and value.__module__ == __name__
]
