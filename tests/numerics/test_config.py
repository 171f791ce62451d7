"""No numerical tool leaves a trace in JAX's configuration: whatever it was, and however it ends.

Looked at are all values of `jax.config`, those of the process and those that this thread sees,
and what JAX caches by.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxkit
from jaxkit._jax.config import trace_context, trace_context_names
from jaxkit._jax.x64 import with_x64
from jaxkit.transforms import available, get

X = jnp.asarray([1000, 1001, 1002, 1004], jnp.float32)
OPERANDS = {"good": X / 1000, "bad": X, "worst": X * 0}


class Mine(Exception):
    """What the user's own function raises."""


def computes(x: Any) -> Any:
    """Right for some inputs, wrong for others, and not finite for zeros."""
    mean = x.mean()
    return {"variance": (x * x).mean() - mean * mean, "log": jnp.log(x / mean), "n": x.size}


def raises(x: Any) -> Any:
    """Raises half-way."""
    jnp.sin(x)
    raise Mine


# Each tool by its public name: what makes of a function one that is called with its arguments.
TOOLS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "x64": lambda fun: jaxkit.x64(fun, cast_back=True),
    "compare_x64": lambda fun: jaxkit.compare_x64(fun),
    "check_finite": lambda fun: jaxkit.check_finite(fun),
    "shadow": lambda fun: jaxkit.shadow(fun),
    "nan_origin": lambda fun: jaxkit.nan_origin(fun),
    "emulate": lambda fun: jaxkit.emulate(fun, dtype="bf16"),
    "search_precision": lambda fun: jaxkit.search_precision(fun, tolerance=1e-2),
}
SLOW = {"search_precision"}
PUBLIC = {name for name, at in jaxkit._WHERE.items() if at.startswith("jaxkit.numerics.")}
TRANSFORMS = sorted(PUBLIC & set(available()))


def test_no_tool_is_left_out() -> None:
    assert set(TOOLS) == PUBLIC - {"PrecisionReport"}


def seen() -> dict[str, Any]:
    """The configuration: of the process, of this thread, and what is cached by."""
    found = {f"process {name}": value for name, value in jax.config.values.items()}
    found |= {f"thread {name}": getattr(jax.config, name, None) for name in jax.config.values}
    names = [f"key {name}" for name in trace_context_names()]
    return found | dict(zip(names, trace_context(), strict=True))


def changed(before: dict[str, Any]) -> dict[str, Any]:
    """What is otherwise than before. A part of JAX that is imported meanwhile adds names."""
    after = seen()
    return {name: (was, after.get(name)) for name, was in before.items() if after.get(name) != was}


@contextlib.contextmanager
def in_settings(name: str) -> Iterator[None]:
    """The caller's own settings."""
    with contextlib.ExitStack() as stack:
        for context in SETTINGS[name]():
            stack.enter_context(context)
        yield


SETTINGS: Mapping[str, Callable[[], list[Any]]] = {
    "none": list,
    "x64": lambda: [with_x64()],
    "highest": lambda: [jax.default_matmul_precision("highest"), jax.numpy_rank_promotion("raise")],
    "nans": lambda: [jax.debug_nans(True)],
}
_MADE: dict[tuple[str, bool], Any] = {}


def made(tool: str, *, bad: bool) -> Any:
    """One wrapped function for all examples, so that what it has compiled is used again."""
    key = (tool, bad)
    if key not in _MADE:
        _MADE[key] = TOOLS[tool](raises if bad else computes)
    return _MADE[key]


def run(tool: str, operand: str, *, bad: bool) -> None:
    with contextlib.suppress(
        Mine, jaxkit.NonFiniteError, FloatingPointError, jax.errors.JaxRuntimeError
    ):
        made(tool, bad=bad)(OPERANDS[operand])
        assert not bad, "what the function raises must arrive"


@pytest.mark.parametrize("tool", sorted(PUBLIC))
def test_the_configuration_is_what_it_was(tool: str) -> None:
    @given(
        names=st.lists(st.sampled_from(sorted(SETTINGS)), max_size=2, unique=True),
        operand=st.sampled_from(sorted(OPERANDS)),
        bad=st.booleans(),
    )
    @settings(max_examples=2 if tool in SLOW else 6)
    def holds(names: list[str], operand: str, bad: bool) -> None:
        outside = seen()
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(in_settings(name))
            before = seen()
            run(tool, operand, bad=bad)
            assert changed(before) == {}
        assert changed(outside) == {}

    holds()
    for bad in (False, True):
        before = seen()
        run(tool, "bad", bad=bad)
        assert changed(before) == {}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_as_a_transform_under_jit_and_grad(name: str) -> None:
    put = get(name)
    if name == "emulate":
        put = put(dtype="bf16")
    before = seen()
    for operand in OPERANDS.values():
        with contextlib.suppress(jaxkit.NonFiniteError, jax.errors.JaxRuntimeError):
            wrapped = put(lambda x: jnp.log(x).sum())
            jax.block_until_ready(jax.jit(jax.value_and_grad(wrapped))(operand))
            jax.effects_barrier()
            # With several devices the error is raised in this thread when it comes to that.
            for _ in range(30 if operand is OPERANDS["worst"] else 0):
                time.sleep(0.01)
    with pytest.raises(Mine):
        jax.jit(put(raises))(X)
    assert changed(before) == {}


def test_from_eight_threads_at_once() -> None:
    tools = sorted(PUBLIC)
    together = threading.Barrier(8)
    wrong: list[str] = []
    before = seen()

    def work(number: int) -> None:
        tool = tools[number % len(tools)]
        names = sorted(SETTINGS)[number % 3 : number % 3 + 1]
        try:
            together.wait(60)
            with in_settings(names[0]):
                inside = seen()
                for bad in (False, True):
                    run(tool, "bad", bad=bad)
                    wrong.extend(f"{tool}: {each}" for each in changed(inside).items())
            wrong.extend(f"{tool}, afterwards: {each}" for each in changed(before).items())
        except BaseException as error:
            wrong.append(f"{tool}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert changed(before) == {}
        for thread in threads:
            thread.join(0.01)
    assert wrong == []
    assert changed(before) == {}
