"""Events added up by function and by cause, in bounded memory. Never imports JAX.

A group is all recompilations of one function (name, file, line) with one leading cause. Which of
them could have been avoided is decided here, by rules that are stated beside their thresholds.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import Counter, OrderedDict

from jaxkit.compiles.diff import split_type
from jaxkit.compiles.event import Cause, CompileEvent
from jaxkit.compiles.leaf import Leaf

# An eager operation that saw a few shapes is how models are initialised; one whose same axis
# keeps changing is a loop over ragged data. Shapes that differ in several ways need more proof.
# A library's line (a layer that makes its parameters) needs the most.
EAGER_ONE_AXIS = 5
EAGER_MANY_AXES = 12
EAGER_IN_LIBRARY = 48
# A flag, a mode or a choice of function makes as many programs as it has values; two are by design.
DISCRETE_VALUES = 3
# Sizes that are powers of two, each the double of the last and none below this, are the buckets
# that data is padded to. Of two such sizes the smaller came first: a short last batch does not.
BUCKET_SMALLEST = 8
_TOOL = re.compile(r"(^|/)jaxkit/(compiles|jaxpr|numerics|testing|timing)/[\w/]+\.py$")
_DISCRETE_TYPES = frozenset({"bool", "str", "NoneType", "bytes", "function", "type"})
MAX_VALUES = 200  # distinct values and sizes remembered of a path; above, it is "or more"
_MAX_PATHS = 50
MAX_SHAPES = 64

FunctionKey = tuple[str, str, int]


@dataclasses.dataclass
class Path:
    """What one path of a group went through."""

    path: str
    before: str
    after: str
    axes: dict[int, set[int]] = dataclasses.field(default_factory=dict)
    values: dict[str, None] = dataclasses.field(default_factory=dict)
    types: set[str] = dataclasses.field(default_factory=set)
    ranks: bool = False
    grew: bool | None = None

    def add(self, cause: Cause) -> None:
        """Adds one change of this path."""
        self.after = cause.after or ""
        for text in (cause.before, cause.after):
            if text is not None and len(self.values) < MAX_VALUES:
                self.values.setdefault(text)
        if "type" in cause.detail:
            self.types.update(str(cause.detail["type"]).split(", "))
        before, after = _sizes(cause.before), _sizes(cause.after)
        if len(before) != len(after):
            self.ranks = True
        else:
            for axis, pair in enumerate(zip(before, after, strict=True)):
                if pair[0] != pair[1] and all(size.isdigit() for size in pair):
                    sizes = self.axes.setdefault(axis, set())
                    if self.grew is None:
                        self.grew = int(pair[0]) < int(pair[1])
                    if len(sizes) < MAX_VALUES:
                        sizes.update(int(size) for size in pair)


@dataclasses.dataclass
class Group:
    """The recompilations of one function with one leading cause."""

    function: FunctionKey
    kind: str
    recompiles: int = 0
    by_design: int = 0
    seconds: float = 0.0
    paths: dict[str, Path] = dataclasses.field(default_factory=dict)
    details: Counter[str] = dataclasses.field(default_factory=Counter)
    first: Cause | None = None
    last: Cause | None = None
    sites: Counter[tuple[str, int, str]] = dataclasses.field(default_factory=Counter)
    others: Counter[str] = dataclasses.field(default_factory=Counter)
    example: CompileEvent | None = None
    sizes: list[tuple[int, ...]] = dataclasses.field(default_factory=list)

    def add(self, event: CompileEvent) -> None:
        """Adds a recompilation whose leading cause is this group's."""
        self.recompiles += 1
        self.seconds += event.total_seconds
        self.example = event
        if event.call_site is not None:
            place = event.call_site
            self.sites[place.file, place.line, place.function] += 1
        if (
            _is_of_a_tool(event)
            or (self.kind == "sharding-or-device" and _other_device_only(event))
            or (self.kind == "closure-constant" and _kept_apart(event))
        ):
            self.by_design += 1
        for cause in event.causes:
            if cause.kind != self.kind:
                self.others[cause.kind] += 1
                continue
            self.first = self.first or cause
            self.last = cause
            for name in ("name", "how", "transform", "body", "change"):
                if name in cause.detail:
                    self.details[str(cause.detail[name])] += 1
            if cause.path is not None and (
                cause.path in self.paths or len(self.paths) < _MAX_PATHS
            ):
                entry = self.paths.setdefault(
                    cause.path, Path(cause.path, cause.before or "", cause.after or "")
                )
                entry.add(cause)

    @property
    def avoidable(self) -> int:
        """How many of the recompilations a change of the program would have spared."""
        if self.kind == "unknown" or self.buckets:
            return 0
        if self.eager:
            return self.recompiles if self.recompiles + 1 >= self.eager_threshold else 0
        valued = self.kind in ("static-arg-value", "static-metadata", "closure-constant")
        if valued and self.discrete and 1 < len(self._distinct()) < DISCRETE_VALUES:
            return 0
        return self.recompiles - self.by_design

    @property
    def eager(self) -> bool:
        """Whether these are operations run one by one, each of them cheap."""
        example = self.example
        return example is not None and example.via == "eager" and example.function.traced is None

    @property
    def eager_threshold(self) -> int:
        """From how many programs on an eager operation counts as a loop over shapes."""
        if all(not path.ranks and len(path.axes) <= 1 for path in self.paths.values()):
            return EAGER_ONE_AXIS
        example = self.example
        inside = example is not None and "library" in example.function.wrappers
        return EAGER_IN_LIBRARY if inside else EAGER_MANY_AXES

    @property
    def buckets(self) -> bool:
        """Whether the shapes are of data that was padded to buckets."""
        return self.kind == "shape-change" and all(
            not path.ranks
            and path.axes
            and all(_doubling(sizes, path) for sizes in path.axes.values())
            for path in self.paths.values()
        )

    @property
    def discrete(self) -> bool:
        """Whether the values that changed are flags, modes or functions and not numbers."""
        types = {kind for path in self.paths.values() for kind in path.types}
        if self.kind == "closure-constant":
            return bool(types) and not any(_data(kind) for kind in types)
        return bool(types) and all(k in _DISCRETE_TYPES or k.startswith("enum ") for k in types)

    def _distinct(self) -> set[str]:
        return {value for path in self.paths.values() for value in path.values}


def _doubling(sizes: set[int], path: Path) -> bool:
    ordered = sorted(sizes)
    return (
        ordered[0] >= BUCKET_SMALLEST
        and ordered[0].bit_count() == 1
        and all(2 * small == large for small, large in itertools.pairwise(ordered))
        and (len(ordered) > 2 or path.grew is True)
    )


def _sizes(text: str | None) -> tuple[str, ...]:
    """The sizes in ``f32[3,4]``, or in a static shape ``(3, 4)``."""
    text = text or ""
    if text.startswith("(") and text.endswith(")"):
        return tuple(part.strip() for part in text[1:-1].split(",") if part.strip())
    return split_type(text)[1] if text.endswith(("]", "] weak")) else ()


def _data(kind: str) -> bool:
    """Whether a captured value of this type could be an argument: a number or an array."""
    words = ("int", "float", "complex", "Array", "ndarray", "numpy.", "list", "tuple", "dict")
    return any(word in kind for word in words)


def _is_of_a_tool(event: CompileEvent) -> bool:
    """Whether it is a program of jaxkit's own that looks at the user's: one for each that it sees.

    Those of `jaxkit.training` and `jaxkit.models` are the user's.
    """
    return _TOOL.search(event.function.file.replace("\\", "/")) is not None


def _kept_apart(event: CompileEvent) -> bool:
    """Functions of a factory that are used side by side, and differ in more than arrays.

    Arrays of one shape could be an argument of one program: an ensemble is no such factory.
    """
    causes = [cause for cause in event.causes if cause.kind == "closure-constant"]
    return all(cause.detail.get("side_by_side") for cause in causes) and not any(
        "Array" in str(cause.detail.get("type")) or "ndarray" in str(cause.detail.get("type"))
        for cause in causes
    )


def _other_device_only(event: CompileEvent) -> bool:
    """The same call for another single device: how work is spread by hand, no accident."""
    causes = [cause for cause in event.causes if cause.kind == "sharding-or-device"]
    for cause in causes:
        texts = (cause.before or "", cause.after or "")
        if not all(text.startswith("committed to ") for text in texts):
            return False
        if cause.detail.get("moved"):
            return False
        places = [text.removeprefix("committed to ") for text in texts]
        if any(place.startswith("P(") or "," in place or ":" not in place for place in places):
            return False
    return bool(causes)


@dataclasses.dataclass
class FunctionStats:
    """All events of one function."""

    name: str
    file: str
    line: int
    qualname: str = ""
    via: str = "jit"
    traced: str | None = None
    jax_name: str | None = None
    compiles: int = 0
    recompiles: int = 0
    traces: int = 0
    failed: int = 0
    cache_hits: int = 0
    seconds: float = 0.0
    sites: Counter[tuple[str, int, str]] = dataclasses.field(default_factory=Counter)
    sizes: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, event: CompileEvent) -> None:
        """Adds an event of this function."""
        self.qualname = event.function.qualname or self.qualname
        self.via = event.via
        self.traced = event.function.traced or self.traced
        self.jax_name = event.function.jax_name or self.jax_name
        self.compiles += event.compiled
        self.recompiles += event.recompile
        self.traces += "trace" in event.stages
        self.failed += event.outcome == "failed"
        self.cache_hits += event.persistent_cache == "hit"
        self.seconds += event.total_seconds
        if event.call_site is not None:
            place = event.call_site
            self.sites[place.file, place.line, place.function] += 1


class Groups:
    """The sums of a log, kept up as events come."""

    def __init__(self) -> None:
        self.functions: OrderedDict[FunctionKey, FunctionStats] = OrderedDict()
        self.groups: OrderedDict[tuple[FunctionKey, str], Group] = OrderedDict()
        self.events = 0
        self.seconds = 0.0
        self.shapes: dict[FunctionKey, list[tuple[Leaf, ...]]] = {}

    def add(self, event: CompileEvent) -> None:
        """Adds an event whose causes are known."""
        self.events += 1
        self.seconds += event.total_seconds
        function = event.function
        key = (function.name, function.file, function.line)
        stats = self.functions.get(key)
        if stats is None:
            stats = self.functions[key] = FunctionStats(*key)
        stats.add(event)
        if event.compiled:
            seen = self.shapes.setdefault(key, [])
            if len(seen) < MAX_SHAPES and event.via != "eager":
                seen.append(event.signature.leaves)
        if event.compiled and event.recompile:
            group = self.groups.get((key, event.kind))
            if group is None:
                group = self.groups[key, event.kind] = Group(key, event.kind)
            group.add(event)

    @property
    def avoidable_seconds(self) -> float:
        """Seconds that went into recompilations which a change would have spared."""
        return sum(
            group.seconds * group.avoidable / group.recompiles for group in self.groups.values()
        )

    @property
    def compiles(self) -> int:
        """Compilations of all functions."""
        return sum(stats.compiles for stats in self.functions.values())
