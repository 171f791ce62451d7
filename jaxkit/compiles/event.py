"""One compilation as data: what was compiled, where from, with which signature, and why.

Nothing here imports JAX: a recording made on a cluster reads back on a laptop without it.

The line format is ``jaxkit.compile/1``, one JSON object a line. History of the format:

* 2026-11-22: version 1, the first.
* 2026-11-23: ``spans``, when each stage ran; absent in older recordings.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from jaxkit.compiles.leaf import Leaf, Static, leaf_json

SCHEMA = "jaxkit.compile/1"
OUTCOMES = ("compiled", "trace-only", "trace-cache-hit", "failed")

CAUSE_KINDS = (
    "first",
    "shape-change",
    "dtype-change",
    "weak-type",
    "pytree-structure",
    "static-metadata",
    "static-arg-value",
    "static-arg-identity",
    "call-signature",
    "function-redefined",
    "closure-constant",
    "transform-rewrap",
    "control-flow-closure",
    "sharding-or-device",
    "aot-mismatch",
    "config-context",
    "jit-options",
    "eager-op-shapes",
    "cache-cleared",
    "unknown",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A line of the user's program: file, line and the function it stands in."""

    file: str
    line: int
    function: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {"file": self.file, "line": self.line, "function": self.function}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Place | None:
        """The inverse of `to_dict`."""
        if not data:
            return None
        return cls(str(data["file"]), int(data["line"]), str(data.get("function", "")))


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """What a call looked like to JAX's caches.

    ``nodes`` holds the containers, path by path; ``passing`` says of each parameter whether it
    came positionally, by keyword or was omitted.
    """

    leaves: tuple[Leaf, ...] = ()
    nodes: tuple[tuple[str, str], ...] = ()
    passing: tuple[tuple[str, str], ...] = ()
    complete: bool = True

    @property
    def structure(self) -> str:
        """The containers and the style of passing as one bounded line."""
        style = ", ".join(f"{name} {how}" for name, how in self.passing if how != "positional")
        text = " ".join(f"{path}:{kind}" for path, kind in self.nodes)
        text = f"({style}) {text}" if style else text
        return text if len(text) <= 2000 else text[:2000] + "..."


_MAX_ROWS = 1_000
_rows: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}


def intern_rows(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """One object for equal nodes (or equal passing), so that comparing them costs nothing."""
    if len(_rows) > _MAX_ROWS:
        _rows.clear()
    return _rows.setdefault(rows, rows)


@dataclasses.dataclass(frozen=True, slots=True)
class Function:
    """The user's function behind a compilation, known by its code and not by its name.

    Attributes:
      name, qualname, module, file, line: of the innermost function the user wrote.
      id: token of the function object given to JAX; two objects of one source differ in it.
      inner_id: token of the innermost function object, below partials and transforms.
      wrappers: what lies between the two, outermost first (``partial``, ``grad``, ...).
      captured: closed-over, defaulted or bound data, name by name.
      code: digest of the code, including the code of captured functions.
      traced: for eager control flow, the name of the body that was traced.
      jax_name: JAX's own name for it, where that is another: ``_fun`` under pmap.
    """

    name: str
    qualname: str = ""
    module: str = ""
    file: str = ""
    line: int = 0
    id: str = ""
    inner_id: str = ""
    wrappers: tuple[str, ...] = ()
    captured: tuple[tuple[str, Static], ...] = ()
    code: str = ""
    traced: str | None = None
    jax_name: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        data: dict[str, Any] = {
            "name": self.name,
            "qualname": self.qualname,
            "module": self.module,
            "file": self.file,
            "line": self.line,
            "id": self.id,
        }
        if self.inner_id and self.inner_id != self.id:
            data["inner_id"] = self.inner_id
        if self.wrappers:
            data["wrappers"] = list(self.wrappers)
        if self.captured:
            data["captured"] = [[name, value.to_dict()] for name, value in self.captured]
        if self.code:
            data["code"] = self.code
        for key in ("traced", "jax_name"):
            if getattr(self, key):
                data[key] = getattr(self, key)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Function:
        """The inverse of `to_dict`."""
        return cls(
            name=str(data["name"]),
            qualname=str(data.get("qualname") or ""),
            module=str(data.get("module") or ""),
            file=str(data.get("file") or ""),
            line=int(data.get("line") or 0),
            id=str(data.get("id") or ""),
            inner_id=str(data.get("inner_id") or data.get("id") or ""),
            wrappers=tuple(data.get("wrappers") or ()),
            captured=tuple((name, Static(**value)) for name, value in data.get("captured") or ()),
            code=str(data.get("code") or ""),
            traced=data.get("traced"),
            jax_name=data.get("jax_name"),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """One reason for a compilation: its kind and the smallest thing that changed."""

    kind: str
    path: str | None = None
    before: str | None = None
    after: str | None = None
    detail: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "kind": self.kind,
            "path": self.path,
            "before": self.before,
            "after": self.after,
            "detail": dict(self.detail),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cause:
        """The inverse of `to_dict`."""
        return cls(
            kind=str(data["kind"]),
            path=data.get("path"),
            before=data.get("before"),
            after=data.get("after"),
            detail=dict(data.get("detail") or {}),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class CompileEvent:
    """A trace, a lowering and a backend compilation that belong together.

    Attributes:
      index: position in the log, from 0.
      seconds: exclusive seconds a stage; what ran nested inside is counted there.
      stages: the stages that ran; a trace that JAX answered from its cache is not among them.
      spans: of each stage when it began, in seconds since the epoch, and how long it took with
        all that ran nested inside; of all events on one clock.
      role: which program of the function: ``""`` the plain one, else how it was derived
        (``vmap``, ``jvp``, ``transpose`` or a path of them as ``vmap/jvp``) and its form.
      recompile: whether the function had been compiled before, and this was not by design.
      causes: most telling first; a single ``first`` where it is not a recompilation.
    """

    index: int
    process: int
    thread: str
    time: float
    outcome: str
    function: Function
    call_site: Place | None
    via: str
    stages: tuple[str, ...]
    seconds: Mapping[str, float]
    persistent_cache: str = "off"
    recompile: bool = False
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    signature: Signature = Signature()
    causes: tuple[Cause, ...] = ()
    role: str = ""
    spans: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)

    def explained(self, index: int, causes: tuple[Cause, ...], *, recompile: bool) -> CompileEvent:
        """The event with its place in a log and its causes."""
        event = object.__new__(CompileEvent)
        for name in CompileEvent.__slots__:
            object.__setattr__(event, name, getattr(self, name))
        object.__setattr__(event, "index", index)
        object.__setattr__(event, "causes", causes)
        object.__setattr__(event, "recompile", recompile)
        return event

    @property
    def compiled(self) -> bool:
        """Whether the backend produced an executable."""
        return self.outcome == "compiled"

    @property
    def total_seconds(self) -> float:
        """Exclusive seconds of all stages."""
        return sum(self.seconds.values())

    @property
    def backward(self) -> bool:
        """Whether it is the transposed program of a reverse-mode derivative."""
        return self.role.partition(" ")[0].endswith("transpose")

    @property
    def kind(self) -> str:
        """The kind of the leading cause."""
        return self.causes[0].kind if self.causes else "unknown"

    def to_json(self) -> str:
        """`to_dict` as one line of JSON; a signature of thousands of leaves costs little."""
        leaves = ", ".join([leaf_json(leaf) for leaf in self.signature.leaves])
        rest = json.dumps(self._fields())
        return f'{rest[:-1]}, "signature": [{leaves}]}}'

    def to_dict(self) -> dict[str, Any]:
        """The event as the JSON object of DESIGN section 5."""
        leaves = [leaf.to_dict() for leaf in self.signature.leaves]
        return {**self._fields(), "signature": leaves}

    def _fields(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "index": self.index,
            "process": self.process,
            "thread": self.thread,
            "time": round(self.time, 6),
            "outcome": self.outcome,
            "function": self.function.to_dict(),
            "call_site": self.call_site.to_dict() if self.call_site else None,
            "via": self.via,
            "role": self.role,
            "stages": list(self.stages),
            "seconds": {stage: round(value, 6) for stage, value in self.seconds.items()},
            "spans": {
                stage: [round(begin, 6), round(whole, 6)]
                for stage, (begin, whole) in self.spans.items()
            },
            "persistent_cache": self.persistent_cache,
            "recompile": self.recompile,
            "structure": self.signature.structure,
            "options": dict(self.options),
            "config": dict(self.config),
            "nodes": [list(node) for node in self.signature.nodes],
            "passing": [list(item) for item in self.signature.passing],
            "complete": self.signature.complete,
            "causes": [cause.to_dict() for cause in self.causes],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CompileEvent:
        """The inverse of `to_dict`.

        Raises:
          ValueError: the object is not a ``jaxkit.compile/1`` event; the message says why.
        """
        if data.get("schema") != SCHEMA:
            raise ValueError(f"schema must be {SCHEMA!r}, got schema={data.get('schema')!r}")
        try:
            return _from_dict(data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a whole {SCHEMA} event: {error!r}") from error


def _from_dict(data: Mapping[str, Any]) -> CompileEvent:
    signature = Signature(
        leaves=tuple(Leaf.from_dict(leaf) for leaf in data.get("signature") or ()),
        nodes=tuple((str(path), str(kind)) for path, kind in data.get("nodes") or ()),
        passing=tuple((str(name), str(how)) for name, how in data.get("passing") or ()),
        complete=bool(data.get("complete", True)),
    )
    return CompileEvent(
        index=int(data["index"]),
        process=int(data["process"]),
        thread=str(data["thread"]),
        time=float(data["time"]),
        outcome=str(data["outcome"]),
        function=Function.from_dict(data["function"]),
        call_site=Place.from_dict(data.get("call_site")),
        via=str(data["via"]),
        stages=tuple(data["stages"]),
        seconds=dict(data["seconds"]),
        persistent_cache=str(data.get("persistent_cache", "off")),
        recompile=bool(data["recompile"]),
        options=dict(data.get("options") or {}),
        config=dict(data.get("config") or {}),
        signature=signature,
        causes=tuple(Cause.from_dict(cause) for cause in data.get("causes") or ()),
        role=str(data.get("role") or ""),
        spans={
            str(stage): (float(begin), float(whole))
            for stage, (begin, whole) in (data.get("spans") or {}).items()
        },
    )
