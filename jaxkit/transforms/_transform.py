"""The contract: a transform maps a function to a function, and is written as a short factory."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, final, overload

from jaxkit.transforms import _options
from jaxkit.transforms._wrapped import wrap

__all__ = ["TAGS", "Transform", "transform"]

# What a transform may mean to do. Whatever it does not declare, `check_transform` holds it to.
TAGS: Mapping[str, str] = MappingProxyType(
    {
        "changes_values": "returns other values than the function",
        "changes_grad": "has other derivatives than the function",
        "changes_signature": "takes other arguments than the function",
        "changes_structure": "returns another pytree than the function",
        "changes_dtype": "returns other dtypes or weak types than the function",
        "changes_sharding": "returns arrays that are sharded otherwise",
        "calls_many": "runs the function not exactly once a call",
        "keeps_state": "remembers something between calls",
        "may_raise": "raises errors of its own for some arguments",
        "no_jit": "does not work under jax.jit",
        "no_vmap": "does not work under jax.vmap",
        "no_grad": "does not work under jax.grad",
        "no_jvp": "does not work under forward-mode differentiation",
        "no_shard_map": "does not work under jax.shard_map",
        "no_scan": "does not work inside jax.lax.scan",
        "of_gradients": "wraps functions that return gradients, as jax.grad makes them",
        "of_value_and_grad": "wraps functions that return (value, gradients)",
    }
)


@final
class Transform:
    """A function from function to function, with the options that were given so far.

    Made by `transform`. Two of them are equal if they have the same factory and equal options.

    Example:
        >>> import jaxkit
        >>> @jaxkit.transform
        ... def scale_output(fun, *, factor: float = 1.0):
        ...     return lambda *args, **kwargs: fun(*args, **kwargs) * factor
        >>> double = scale_output(factor=2.0)
        >>> double
        scale_output(factor=2.0)
        >>> double(abs)(-3.0)
        6.0

    Attributes:
        name: What the registry and the command line call it.
        factory: The function that was decorated, `factory(fun, *, option=default, ...)`.
        tags: What it means to change; of `TAGS`.
        options: Those that were given, by name.
        signature: The factory's, with the given options as defaults.
        doc: The factory's docstring, without its indentation.
    """

    name: str
    factory: Callable[..., Any]
    tags: frozenset[str]
    options: Mapping[str, Any]
    signature: inspect.Signature
    doc: str
    _base: Transform
    _validate: Callable[..., None] | None
    _block: Callable[..., AbstractContextManager[Any]] | None
    _key: tuple[Any, ...]
    _jaxkit_link = True  # wrapping a transform is a mistake that gets a message of its own

    def __init__(
        self,
        factory: Callable[..., Any],
        *,
        name: str,
        tags: Iterable[str] = (),
        validate: Callable[..., None] | None = None,
        block: Callable[..., AbstractContextManager[Any]] | None = None,
        base: Transform | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        given: Mapping[str, Any] = {} if options is None else options
        signature = _options.check_factory(factory, name)
        self.__dict__.update(
            name=name,
            factory=factory,
            tags=frozenset(tags),
            options=MappingProxyType(dict(given)),
            signature=_with_defaults(signature, given),
            doc=inspect.getdoc(factory) or "",
            _base=self if base is None else base,
            _validate=validate,
            _block=block,
            _key=(factory, frozenset((each, _options.key(given[each])) for each in given)),
            # As a function's, for help(), inspect.signature and doctest.
            __name__=name,
            __qualname__=getattr(factory, "__qualname__", name),
            __module__=getattr(factory, "__module__", None),
            __doc__=getattr(factory, "__doc__", None),
            __wrapped__=factory,
            __signature__=_with_defaults(signature, given),
        )

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.doc.partition("\n")[0]

    @overload
    def __call__(self, /, **options: Any) -> Transform: ...
    @overload
    def __call__(self, fun: Callable[..., Any], /, **options: Any) -> Callable[..., Any]: ...
    def __call__(self, /, *fun: Any, **options: Any) -> Any:
        """Wraps a function if there is one, else remembers the options.

        Raises:
            TypeError: An unknown option, a missing one, or something that cannot be wrapped.
        """
        bound = self._bind(options) if options else self
        if not fun:
            return bound
        (wrapped, *more) = fun
        if more:
            raise TypeError(
                f"{self.name}() takes one function, got {len(fun)} positional arguments: "
                f"give options by keyword"
            )
        bound._check_complete()
        return wrap(bound, wrapped)

    def apply(self, fun: Callable[..., Any], /) -> Callable[..., Any]:
        """What the factory makes of a function, just as it is: without name, docstring and so on.

        Raises:
            TypeError: The factory returned something that cannot be called.
        """
        made = self.factory(fun, **self.options)
        if not callable(made):
            raise TypeError(
                f"{self.name}: its factory must return a function, "
                f"got {made!r} of type {type(made).__name__}"
            )
        return made

    def __enter__(self) -> Any:
        """Begins a block of the program, for the few that have this form, such as `jaxkit.x64`.

        Raises:
            TypeError: It wraps functions only.
        """
        if self._block is None:
            raise TypeError(
                f"{self.name} has no form for a block of a program, it wraps functions: "
                f"{self.name}(fun)"
            )
        block = self._block(**self.options)
        entered = block.__enter__()
        _blocks.entered = [*getattr(_blocks, "entered", ()), block]
        return entered

    def __exit__(self, *raised: Any) -> bool | None:
        """Ends the block that this thread began last."""
        *_blocks.entered, block = _blocks.entered
        return block.__exit__(*raised)

    def _bind(self, options: Mapping[str, Any]) -> Transform:
        _options.check_known(self.name, self.signature, options)
        given = {**self.options, **{name: _options.copied(each) for name, each in options.items()}}
        bound = Transform(
            self.factory,
            name=self.name,
            tags=self.tags,
            validate=self._validate,
            block=self._block,
            base=self._base,
            options=given,
        )
        bound._run_validate()
        return bound

    def _run_validate(self) -> None:
        """As soon as all is known, so that a wrong option fails on the line that gives it."""
        if self._validate is None or _options.missing(self.signature, self.options):
            return
        values = {
            each.name: each.default
            for each in list(self.signature.parameters.values())[1:]
            if each.kind is each.KEYWORD_ONLY
        } | dict(self.options)
        self._validate(**_options.wanted(self._validate, values))

    def _check_complete(self) -> None:
        lacking = _options.missing(self.signature, self.options)
        if lacking:
            call = ", ".join(["fun", *(f"{name}=..." for name in lacking)])
            raise TypeError(
                f"{self.name}() needs {' and '.join(map(repr, lacking))}: {self.name}({call})"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transform) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"a transform does not change: {self.name}({name}=...) makes another one"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a transform does not change")

    def __repr__(self) -> str:
        return f"{self.name}({_options.shown(self.options)})" if self.options else self.name

    def __reduce__(self) -> str | tuple[Any, ...]:
        if self._base is not self:
            return _rebound, (self._base, dict(self.options))
        return self.__dict__["__qualname__"]


# What each thread is in: a transform itself does not change, and may be entered more than once.
_blocks = threading.local()


def _rebound(base: Transform, options: dict[str, Any]) -> Transform:
    return base(**options)


def _with_defaults(signature: inspect.Signature, options: Mapping[str, Any]) -> inspect.Signature:
    return signature.replace(
        parameters=[
            each.replace(default=options[each.name])
            if each.name in options and each.kind is each.KEYWORD_ONLY
            else each
            for each in signature.parameters.values()
        ]
    )


@overload
def transform(factory: Callable[..., Any], /) -> Transform: ...
@overload
def transform(
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
    validate: Callable[..., None] | None = None,
    block: Callable[..., AbstractContextManager[Any]] | None = None,
) -> Callable[[Callable[..., Any]], Transform]: ...
def transform(
    factory: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
    validate: Callable[..., None] | None = None,
    block: Callable[..., AbstractContextManager[Any]] | None = None,
) -> Any:
    """Makes a transform of a factory: a function that takes a function and returns another.

    The transform is called with a function, with options, or with both, also as a decorator. What
    it returns keeps name, docstring and signature of the function, works as a method, keeps a
    jitted function's `.lower`, `.trace`, `.eval_shape` and `.clear_cache`, and is a pytree where
    the wrapped thing is one.

    Example:
        >>> import jaxkit
        >>> @jaxkit.transform
        ... def scale_output(fun, *, factor: float = 1.0):
        ...     def scaled(*args, **kwargs):
        ...         return fun(*args, **kwargs) * factor
        ...     return scaled
        >>> @scale_output(factor=2.0)
        ... def add(x, y):
        ...     return x + y
        >>> add(1.0, y=2.0), add.__name__
        (6.0, 'add')

    Args:
        factory: `factory(fun, *, option=default, ...)`: options are keyword-only. It is called
            when a function is wrapped, and must not call `fun` then.
        name: What the registry and the command line call it; the factory's name by default.
        tags: What the transform means to change, of `jaxkit.transforms.TAGS`; `check_transform`
            holds it to everything else.
        validate: `validate(*, option, ...)`, with as many of the options as it wants to see, raises
            for those that make no sense. It is called as soon as no option is missing.
        block: `block(**options)` gives a context manager where `with name(option=value):` is to
            mean something too, as for `jaxkit.x64`; called each time such a block begins.

    Returns:
        A Transform; without a factory, what makes one.

    Raises:
        TypeError: The factory has another form.
        ValueError: An unknown tag, or a name that is no identifier.
    """
    checked = _check_tags(tags)

    def decorate(factory: Any) -> Transform:
        called = _check_name(factory, name)
        return Transform(factory, name=called, tags=checked, validate=validate, block=block)

    return decorate if factory is None else decorate(factory)


def _check_name(factory: Any, name: str | None) -> str:
    if not callable(factory):
        raise TypeError(
            f"transform() decorates a function, got {factory!r} of type {type(factory).__name__}"
        )
    called = getattr(factory, "__name__", "") if name is None else name
    if not called.isidentifier():
        raise ValueError(
            f"a transform's name must be an identifier, got name={called!r}; "
            "give one: @transform(name=...)"
        )
    return called


def _check_tags(tags: Iterable[str]) -> frozenset[str]:
    if isinstance(tags, str):
        raise TypeError(f"tags must be several strings, got tags={tags!r}: write ({tags!r},)")
    checked = frozenset(tags)
    for tag in sorted(checked - set(TAGS)):
        hint = _options.near(tag, TAGS) or f"there are {', '.join(TAGS)}"
        raise ValueError(f"tags must be of jaxkit.transforms.TAGS, got {tag!r}; {hint}")
    return checked
