"""Reads the imports of a file and says which of them the architecture forbids.

Everything here works on source text, never by importing: an import inside a function counts, one
under `TYPE_CHECKING` does not.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

# The contract of DESIGN section 2: imports point down only, and packages on one level do not import
# each other.
RANKS = {
    "errors": 0,
    "report": 1,
    "_jax": 2,
    "jaxpr": 3,
    "transforms": 3,
    "compiles": 4,
    "numerics": 5,
    "timing": 5,
    "purity": 5,
    "models": 6,
    "training": 6,
    "distributed": 6,
    "testing": 6,
    "cli": 7,
    "pytest_plugin": 7,
    "__main__": 8,
}

PRIVATE_JAX = ("jax._src", "jax.extend", "jax.interpreters", "jaxlib")
PRIVATE_PLACES = (*PRIVATE_JAX, "sys._getframe")

# Whatever imports one of these imports JAX.
JAX_FAMILY = {"jax", "jaxlib", "equinox", "chex", "flax", "optax", "jaxtyping"}

# What reads recordings back, so that `jaxkit report run.jsonl` works where JAX is not installed.
JAX_FREE = {
    "errors",
    "report",
    "compiles.advice",
    "compiles.cause",
    "compiles.diff",
    "compiles.event",
    "compiles.groups",
    "compiles.history",
    "compiles.import_hook",
    "compiles.leaf",
    "compiles.recording",
    "compiles.replay",
    "compiles.snapshot",
    "compiles.summary",
    "compiles.timeline",
    "compiles.wording",
}


@dataclass(frozen=True)
class Import:
    """One module or name that a file uses, as a dotted path from the top."""

    line: int
    target: str


def imports(source: str, module: str, *, is_package: bool = False) -> list[Import]:
    """All imports of a file, relative ones resolved; `from a import b` counts as `a.b`."""
    package = module if is_package else module.rpartition(".")[0]
    return [
        Import(node.lineno, target)
        for node in _walk(ast.parse(source))
        for target in _targets(node, package)
    ]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """As ast.walk, without what stands under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from _walk(other)
            continue
        yield child
        yield from _walk(child)


def _targets(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        start = ""
        if node.level:
            start = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
        base = ".".join(part for part in (start, node.module) if part)
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
        ("import_module", "__import__")
    ):
        if node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)
    elif isinstance(node, ast.Attribute):
        path = ast.unparse(node)
        if path in PRIVATE_PLACES:
            yield path


def violations(
    source: str, module: str, *, is_package: bool = False, public: dict[str, str] | None = None
) -> list[str]:
    """What a file of ours imports although it must not.

    Args:
        source: The file's text.
        module: Its dotted name, such as `jaxkit.report.save`.
        is_package: Whether it is an `__init__.py`.
        public: The table of the lazy `jaxkit/__init__.py`: a name, and the "module:attribute" it
            stands for.

    Returns:
        A sentence for each violation.
    """
    path = module.removeprefix("jaxkit.")
    found = []
    for each in imports(source, module, is_package=is_package):
        target = _follow(each.target, public or {})
        for reason in (
            _against_ranks(path, target),
            _against_privacy(path, target),
            _against_freedom(path, target),
        ):
            if reason:
                found.append(f"{module}:{each.line} imports {each.target}: {reason}")
    return found


def _follow(target: str, public: dict[str, str]) -> str:
    """`jaxkit.watch` is not a module but a name that the lazy package looks up elsewhere."""
    first, _, name = target.partition(".")
    if first == "jaxkit" and name in public:
        return public[name].replace(":", ".")
    return target


def _against_ranks(path: str, target: str) -> str | None:
    if target == "jaxkit" or target.startswith("jaxkit.*"):
        return "say which part of jaxkit it is"
    if not target.startswith("jaxkit.") or target == "jaxkit.__version__":
        return None
    here, there = path.split(".")[0], target.split(".")[1]
    if there not in RANKS:
        return f"the design knows no {there!r}"
    if here == there or RANKS[there] < RANKS[here]:
        return None
    return f"{there} is not below {here}"


def _against_privacy(path: str, target: str) -> str | None:
    inside = path.split(".")[0] == "_jax"
    private = any(f"{target}.".startswith(f"{place}.") for place in PRIVATE_PLACES)
    return "only jaxkit/_jax may" if private and not inside else None


def _against_freedom(path: str, target: str) -> str | None:
    if not is_jax_free(path):
        return None
    first, _, rest = target.partition(".")
    if first in JAX_FAMILY:
        return f"{path} must work where JAX is not installed"
    if first == "jaxkit" and rest != "__version__" and not is_jax_free(rest):
        return f"{path} must work where JAX is not installed, and that is not promised there"
    return None


def is_jax_free(path: str) -> bool:
    """Whether a module of ours, named without `jaxkit.`, promises to do without JAX."""
    return any(f"{path}.".startswith(f"{free}.") for free in JAX_FREE)
