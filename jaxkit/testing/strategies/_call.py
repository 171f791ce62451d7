"""A call of a function: which parameters are given, and where in the call they stand."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack, get_origin

from jaxkit.testing.strategies._axes import names_in
from jaxkit.testing.strategies._braces import asked_for, variable_of
from jaxkit.testing.strategies._node_array import ArrayNode
from jaxkit.testing.strategies._node_plain import IntNode
from jaxkit.testing.strategies._reader import Reader, UnsupportedAnnotationError, walk
from jaxkit.testing.strategies._signature import MISSING, Parameter, name_of, parameters_of, shown
from jaxkit.testing.strategies._sketch import Filling, Finish, Node, Sketch

__all__ = ["Call", "check_dims"]

_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
# How many more arguments `*args` and `**kwargs` may take, and what the latter are called.
_MORE = (0, 1, 2)
_KEYWORDS = ("y_more", "a_more")


@dataclass(frozen=True)
class Call:
    """What is known of a function before anything is drawn.

    Attributes:
        parameters: in order.
        nodes: what the annotations mean; a parameter whose default always stands has none.
        texts: how errors show each parameter.
        asked: the integer parameters that dimensions ask for in braces.
        bound: the object that a bound method belongs to, and arguments of a partial.
        whole: parameters with stars that are annotated as a whole, `**kwargs: Unpack[Options]`.
    """

    parameters: tuple[Parameter, ...]
    nodes: Mapping[str, Node]
    texts: Mapping[str, str]
    asked: tuple[str, ...]
    bound: Mapping[str, Any]
    whole: frozenset[str]

    @classmethod
    def of(
        cls, fun: Callable[..., Any], overrides: Mapping[str, Any], *, keep_defaults: bool = False
    ) -> Call:
        """Reads all annotations of a function.

        Args:
            fun: The function.
            overrides: What will be given for some parameters.
            keep_defaults: Whether parameters that have a default are never drawn.

        Raises:
            TypeError: One cannot be drawn and has neither default nor override.
        """
        parameters = tuple(parameters_of(fun))
        _check_overrides(fun, parameters, overrides)
        reader = Reader()
        nodes: dict[str, Node] = {}
        for parameter in parameters:
            given = parameter.name in overrides
            if keep_defaults and parameter.default is not MISSING and not given:
                continue
            node = _node_of(fun, parameter, reader, given=given)
            if node is not None:
                nodes[parameter.name] = node
        texts = {each.name: _text(each) for each in parameters}
        whole = frozenset(p.name for p in parameters if get_origin(p.annotation) is Unpack)
        return cls(parameters, nodes, texts, _asked(nodes), _bound(fun), whole)

    def sketch(self, sketch: Sketch, overrides: Mapping[str, Any]) -> Finish:
        """Decides which parameters are given, and sketches them."""
        sketch.arguments.update(self.bound)
        sketch.arguments.update(overrides)
        given = self._given(sketch, overrides)
        for name in self.asked:
            parameter = next(each for each in self.parameters if each.name == name)
            if name in given and name not in overrides:
                sketch.linked = (*sketch.linked, variable_of(name))
            elif name not in overrides:
                sketch.arguments[name] = parameter.default
        # What is there already comes first, since it says which trees and sizes there are.
        for place, parameter in enumerate(self.parameters):
            self._at(sketch, place, parameter)
            if parameter.name in overrides:
                self._note(sketch, parameter, overrides[parameter.name])
            elif parameter.name not in given and parameter.default is not MISSING:
                sketch.seen = False
                self._note(sketch, parameter, parameter.default)
                sketch.seen = True
        parts: dict[str, Finish] = {}
        for place, parameter in enumerate(self.parameters):
            self._at(sketch, place, parameter)
            if parameter.name in overrides:
                parts[parameter.name] = _constant(overrides[parameter.name])
            elif parameter.name in given:
                parts[parameter.name] = self._part(parameter, sketch, given)
        return lambda filling: _assembled(self.parameters, parts, filling)

    def _at(self, sketch: Sketch, place: int, parameter: Parameter) -> None:
        sketch.place, sketch.label = place, self.texts[parameter.name]

    def _given(self, sketch: Sketch, overrides: Mapping[str, Any]) -> set[str]:
        """The parameters that are drawn or overridden."""
        drawn = [each for each in self.parameters if each.name in self.nodes]
        optional = {each.name for each in drawn if each.default is not MISSING}
        with_defaults = bool(optional - set(overrides)) and bool(sketch.choose(2))
        return {each.name for each in drawn if with_defaults or each.name not in optional} | set(
            overrides
        )

    def _note(self, sketch: Sketch, parameter: Parameter, value: Any) -> None:
        node = self.nodes.get(parameter.name)
        if node is None:
            return
        if parameter.kind is inspect.Parameter.VAR_KEYWORD and parameter.name not in self.whole:
            value = tuple(value.values())
        stars = parameter.kind in _STARS and parameter.name not in self.whole
        for each in value if stars else [value]:
            node.note(each, sketch)

    def _part(self, parameter: Parameter, sketch: Sketch, given: set[str]) -> Finish:
        node = self.nodes[parameter.name]
        if parameter.kind not in _STARS:
            if variable_of(parameter.name) in sketch.linked:
                return lambda filling: filling.sizes[variable_of(parameter.name)]
            return node.sketch(sketch)
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL and not self._reached(given):
            return _constant(())
        if parameter.name in self.whole:
            return node.sketch(sketch)
        count = _MORE[sketch.choose(len(_MORE))]
        more = [node.sketch(sketch) for _ in range(count)]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            return lambda filling: tuple([part(filling) for part in more])
        return lambda filling: {
            key: part(filling) for key, part in zip(_KEYWORDS, more, strict=False)
        }

    def _reached(self, given: set[str]) -> bool:
        """Whether all parameters before `*args` are given."""
        before = [each for each in self.parameters if _is_positional(each)]
        return all(each.name in given for each in before)


def _is_positional(parameter: Parameter) -> bool:
    return parameter.kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )


def _constant(value: Any) -> Finish:
    return lambda filling: value


def _assembled(
    parameters: Sequence[Parameter], parts: Mapping[str, Finish], filling: Filling
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The values, each where it stands in a call."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    unbroken = True
    for parameter in parameters:
        if parameter.name not in parts:
            unbroken = unbroken and not _is_positional(parameter)
            continue
        by_name = not unbroken and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        if not unbroken and parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            continue
        value = parts[parameter.name](filling)
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            args += value
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            kwargs.update(value)
        elif by_name or parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            kwargs[parameter.name] = value
        else:
            args.append(value)
    return tuple(args), kwargs


def _node_of(fun: Any, parameter: Parameter, reader: Reader, *, given: bool) -> Node | None:
    """The node of a parameter; None where it need not be drawn and cannot be."""
    problem = parameter.problem
    if parameter.annotation is MISSING:
        problem = "has no annotation"
    elif problem:
        problem = f"has the annotation {parameter.annotation!r}, which is not resolved ({problem})"
    else:
        try:
            return reader.read(parameter.annotation)
        except UnsupportedAnnotationError as error:
            problem = f"has the annotation {shown(parameter.annotation)}: {error}"
    unneeded = given or parameter.default is not MISSING
    if unneeded or (parameter.kind in _STARS and parameter.annotation is MISSING):
        return None
    raise TypeError(
        f"parameter {parameter.name!r} of {name_of(fun)} {problem}; say what to draw for it with "
        f"overrides={{{parameter.name!r}: strategy}}"
    )


def _text(parameter: Parameter) -> str:
    name = f"{_STARS.get(parameter.kind, '')}{parameter.name}"
    return name if parameter.annotation is MISSING else f"{name}: {shown(parameter.annotation)}"


def _check_overrides(
    fun: Any, parameters: Sequence[Parameter], overrides: Mapping[str, Any]
) -> None:
    names = [each.name for each in parameters]
    for name in overrides:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else f": {', '.join(names) or 'none'}"
            raise TypeError(
                f"overrides has {name!r}, which is none of {name_of(fun)}'s parameters{meant}"
            )


def _asked(nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """The integer parameters that stand alone in braces in any dimension."""
    asked = {
        name
        for node in nodes.values()
        for part in walk(node)
        if isinstance(part, ArrayNode)
        for name in asked_for(part.axes)
    }
    return tuple(name for name in nodes if name in asked and isinstance(nodes[name], IntNode))


def check_dims(dims: Mapping[str, Any] | None, nodes: Iterable[Node], where: str) -> None:
    """Sizes for a dimension that nothing has are a mistake.

    Raises:
        ValueError: There are some.
    """
    axes = {axis for node in nodes for part in walk(node) for axis in getattr(part, "axes", ())}
    names = {axis.text for axis in axes if axis.kind == "named" and axis.text}
    names |= {name for axis in axes if axis.kind == "symbolic" for name in names_in(axis.text)}
    names |= {
        f"*{axis.text}" for axis in axes if axis.kind == "variadic" and axis.text.isidentifier()
    }
    for name in dims or ():
        if name not in names:
            raise ValueError(
                f"dims has {name!r}, which is no dimension of {where}: "
                f"{', '.join(sorted(names)) or 'there are none'}"
            )


def _bound(fun: Any) -> dict[str, Any]:
    """What is known of a call beforehand: a partial's arguments, the object of a method."""
    if isinstance(fun, functools.partial):
        known = inspect.signature(fun.func).bind_partial(*fun.args, **fun.keywords).arguments
        return {**_bound(fun.func), **known}
    if inspect.isroutine(fun) or hasattr(fun, "__self__"):
        owner = getattr(fun, "__self__", None)
        return {} if owner is None or inspect.ismodule(owner) else {"self": owner}
    return {} if isinstance(fun, type) else {"self": fun}
