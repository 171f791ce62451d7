"""`with jaxkit.x64():`: on in the block, as it was after it, and never in anything else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit._jax.x64 import with_x64


def on() -> bool:
    return bool(jax.config.jax_enable_x64)


def test_what_is_made_in_the_block_is_as_wide_as_it_says() -> None:
    before = jnp.float32([0.1])
    with jaxkit.x64():
        made = jnp.asarray(np.float64(0.1)), jax.jit(lambda x: x + jnp.arange(2.0))(before)
        assert before.dtype == np.float32
    assert [each.dtype for each in made] == [np.float64, np.float64]
    assert not on()


def test_it_nests_also_with_itself_and_ends_with_an_exception() -> None:
    block = jaxkit.x64()
    with block:
        with block, contextlib.suppress(ZeroDivisionError), jaxkit.x64():
            assert on()
            _ = 1 / 0
        assert on()
        with jaxkit.x64:
            assert jaxkit.x64(on)()
        assert on()
    assert not on()
    with pytest.raises(KeyError, match="mine"), block:
        raise KeyError("mine")
    assert not on()


def test_it_is_what_it_was_in_a_program_that_is_in_64_bits() -> None:
    with with_x64():
        with jaxkit.x64():
            assert on()
        assert on()
    assert not on()


def test_eight_threads_at_once() -> None:
    together = threading.Barrier(8)
    found: list[tuple[bool, bool, bool]] = []

    def work(number: int) -> None:
        before = on()
        with contextlib.ExitStack() as stack:
            if number % 2:
                stack.enter_context(jaxkit.x64())
            together.wait(20)
            inside = on()
            together.wait(20)
        found.append((before, inside, on()))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == [(False, False, False)] * 4 + [(False, True, False)] * 4


def between() -> Iterator[int]:
    with jaxkit.x64():
        for n in range(3):
            with contextlib.suppress(ValueError):
                yield n


async def awaits() -> None:
    with jaxkit.x64():
        await asyncio.sleep(0)


async def hands_over() -> AsyncIterator[int]:
    with jaxkit.x64():
        yield 1


@pytest.mark.parametrize(
    "run",
    [
        lambda: next(between()),
        lambda: asyncio.run(awaits()),
        lambda: asyncio.run(anext(hands_over())),  # type: ignore[arg-type]
    ],
)
def test_a_block_that_could_be_left_half_way_is_refused(run: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError, match="has a yield or an await in its block, in ") as caught:
        run()
    assert str(caught.value).endswith(
        "(): 64-bit types would be on for whatever this thread does meanwhile; take it out of the "
        "block, or wrap a function: jaxkit.x64(fun). Where that is meant, as in a fixture or under "
        "@contextlib.contextmanager: ExitStack().enter_context(jaxkit.x64())"
    )
    assert not on()


def test_other_blocks_of_generators_are_not() -> None:
    def batches() -> Iterator[tuple[bool, Any]]:
        yield on(), None
        for _ in range(2):
            with jaxkit.x64():
                with contextlib.suppress(ValueError):
                    made = [each for each in range(3) if each]
                inner = (on() for _ in made)
                wide = list(inner), jnp.arange(3.0).dtype
            try:
                yield on(), wide
            finally:
                assert not on()

    async def computes() -> Any:
        await asyncio.sleep(0)
        with jaxkit.x64():
            made = jnp.arange(3.0)
        await asyncio.sleep(0)
        return made.dtype

    assert list(batches()) == [(False, None), *[(False, ([True, True], np.float64))] * 2]
    assert asyncio.run(computes()) == np.float64


def test_where_it_is_meant_to_last() -> None:
    @contextlib.contextmanager
    def wide() -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(jaxkit.x64())
            yield

    with wide():
        assert on()
    assert not on()


def test_mistakes() -> None:
    with (
        pytest.raises(TypeError) as caught,
        jaxkit.x64(cast_back=True),
    ):
        pass
    assert str(caught.value) == (
        "with jaxkit.x64() takes no options, got cast_back=True: they say what a function "
        "returns, jaxkit.x64(fun, cast_back=True)"
    )
    with pytest.raises(TypeError) as caught, jaxkit.check_finite:
        pass
    assert str(caught.value) == (
        "check_finite has no form for a block of a program, it wraps functions: check_finite(fun)"
    )
