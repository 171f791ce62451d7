"""How an equation came about: the user's lines that led to it, and the functions of JAX between.

Read on JAX 0.10.2 and 0.12.0.1; see `jaxkit._jax.traces` for the form of a traceback.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxkit._jax.source import Frame, frame_of
from jaxkit._jax.traces import Step, Traces


class Origin(NamedTuple):
    """Where an equation comes from.

    Attributes:
      lines: of the user's and of libraries, the innermost first; empty in a helper of JAX's.
      through: names of JAX's functions from the primitive to the first of those lines.
      user: the innermost line of the user's.
      library: the innermost of a library's, if none of the user's is inside of it.
    """

    lines: tuple[Frame, ...]
    through: tuple[str, ...]
    user: Frame | None = None
    library: Frame | None = None

    @property
    def asked(self) -> bool:
        """Whether a conversion was written as one, as in ``x.astype(dtype)``."""
        last = self.through[-1:]
        if last in (("meth",), ("__call__",)):  # a method; a dtype that is called
            last = self.through[-2:-1]
        return bool(self.lines) and not _CONVERSIONS.isdisjoint(last)

    @property
    def mixed(self) -> bool:
        """Whether the line has an operator or a function of two arrays, called there itself."""
        if self.lines and self.through[-1:] == _INLINED:
            return _is_at(self.lines[0], _PRODUCTS)
        return bool(self.lines) and not _MIXING.isdisjoint(self.through[-1:])

    @property
    def updated(self) -> bool:
        """Whether the line has an update such as ``x.at[i].add(y)``, called there itself."""
        return bool(self.lines) and not _UPDATES.isdisjoint(self.through[-1:])

    @property
    def transposed(self) -> bool:
        """Whether a line of the user's names a transpose, as in ``x.T`` or `jnp.moveaxis`.

        One that `jax.vmap` puts in, or that a function of JAX's or a library's does on its way, is
        none.
        """
        if self.user is None or self.lines[:1] != (self.user,):
            return False
        last = self.through[-1:]
        if last in (("meth",), ("prop",)):
            last = self.through[-2:-1]
        if last in (_INLINED, ("einsum",)):
            return _is_at(self.user, _SWAPS)
        return not _TRANSPOSES.isdisjoint(last)

    @property
    def batched(self) -> bool:
        """Whether it is a transpose that `jax.vmap` has given one more axis."""
        return "_transpose_batch_rule" in self.through


def _is_at(frame: Frame, pattern: re.Pattern[str]) -> bool:
    """Whether the expression that a frame points to begins so."""
    text = linecache.getline(frame.file, frame.line).encode()[max(frame.column - 1, 0) :]
    return pattern.match(text.decode(errors="replace")) is not None


_NOWHERE = Origin((), ())
_CONVERSIONS = frozenset({"astype", "_astype", "asarray", "array", "convert_element_type"})
_MIXING = frozenset(
    """op __call__ _where _einsum matmul dot vdot inner outer tensordot einsum where power
    float_power maximum minimum select clip concatenate stack hstack vstack dstack column_stack
    append""".split()
)
_UPDATES = frozenset("set add subtract multiply divide power min max".split())
_TRANSPOSES = frozenset(
    """transpose permute_dims matrix_transpose moveaxis rollaxis swapaxes _swapaxes _transpose
    _transpose_property _matrix_transpose_property""".split()
)
# A jitted helper that is inlined has no frame of its own: what it is the source says.
_INLINED = ("reraise_with_filtered_traceback",)
_SWAPS = re.compile(r"""[\w.]*(?:swapaxes\s*\(|einsum\s*\(\s*["'][\w. ]+->[\w. ]+["'])""")
_PRODUCTS = re.compile(r"[\w.]*\b(?:matmul|dot|vdot|inner|outer|vecdot|matvec|vecmat)\s*\(")


class Origins:
    """Origins of equations, each traceback read once."""

    def __init__(self) -> None:
        self._known = Traces(_read, _NOWHERE)

    def of(self, eqn: Any, jaxpr: Any) -> Origin:
        """The origin of an equation; empty where JAX has forgotten it.

        Args:
          eqn: the equation.
          jaxpr: the jaxpr that it stands in, without its constants.
        """
        return self._known.of(eqn, jaxpr)


def _read(steps: tuple[Step, ...]) -> Origin:
    lines: list[Frame] = []
    through: list[str] = []
    user = library = None
    for step in steps:
        if step.who == "jax":
            if not lines:
                through.append(step.code.co_name)
        elif step.who != "stdlib":
            lines.append(frame := frame_of(step))
            if step.who == "user":
                user = user or frame
            elif user is None:
                library = library or frame
    return Origin(tuple(lines), tuple(through), user, library)


def argument_names(jaxpr: Any) -> tuple[str, ...]:
    """What the function calls its inputs, such as ``params['w']``; empty where not known."""
    names: Any = getattr(getattr(jaxpr, "debug_info", None), "arg_names", None)
    try:
        return tuple(str(name) for name in names)
    except TypeError:
        return ()


def is_donated(eqn: Any) -> tuple[bool, ...]:
    """Which operands of a call it may overwrite."""
    given: Any = eqn.params.get("donated_invars") or ()
    read: Callable[[Any], bool] = bool
    return tuple(read(each) for each in given)
