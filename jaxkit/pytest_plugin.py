"""What jaxkit adds to pytest: an option, a marker and three fixtures.

    pytest --jaxkit-report compiles.html      why each compilation of the session happened
    @pytest.mark.max_compiles(1)              the test fails if a function compiles more often
    def test_step(compile_log, jax_devices)   what was compiled so far; several CPU devices
    def test_speed(jaxbench)                  jaxbench.assert_not_slower(new, old, args=(x,))

Nothing here imports JAX before one of them is used: pytest loads this file whenever jaxkit is
installed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jaxkit.compiles.log import CompileLog
    from jaxkit.timing.asserting import JaxBench

__all__ = ["compile_log", "jax_devices", "jaxbench"]

_MARKER = (
    "max_compiles(n): the test fails if it compiles one function more than n times; operations "
    "outside of jit do not count"
)
_DEVICES = 4
_FLAG = re.compile(r"--xla_force_host_platform_device_count=(\d+)")
_watch = pytest.StashKey[Any]()
_report = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    group = parser.getgroup("jaxkit", "what JAX compiled")
    group.addoption(
        "--jaxkit-report",
        metavar="PATH",
        default=None,
        help="write why JAX compiled what in this session; the suffix decides the form: .html, "
        ".json, .sarif, .txt",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker, and begins to listen if a report is asked for."""
    config.addinivalue_line("markers", _MARKER)
    path = config.getoption("--jaxkit-report")
    if path is None or getattr(config.option, "numprocesses", None):  # workers of xdist will
        return
    from jaxkit.compiles.watch import Watch
    from jaxkit.errors import ReportPathError
    from jaxkit.report import check_writable

    try:
        check_writable(_path(config))
    except ReportPathError as error:
        raise pytest.UsageError(f"--jaxkit-report: {error}") from error
    config.stash[_watch] = watch = Watch()
    watch.start_when_jax_is_imported()


def _path(config: pytest.Config) -> str:
    """The path that was asked for; each of several workers has one of its own."""
    path = str(config.getoption("--jaxkit-report"))
    worker = getattr(config, "workerinput", None)
    if worker is None:
        return path
    stem, suffix = os.path.splitext(path)
    return f"{stem}.{worker['workerid']}{suffix}"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the report."""
    watch = session.config.stash.get(_watch, None)
    if watch is None:
        return
    watch.stop()
    session.config.stash[_report] = report = watch.log.report()
    report.save(_path(session.config))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says in a line what is in the report."""
    report = config.stash.get(_report, None)
    if report is None:
        return
    from jaxkit.report import Text, escape

    first = next((block.text for block in report.blocks if isinstance(block, Text)), report.tool)
    terminalreporter.write_line(f"jaxkit: {escape(first)}; the report is in {_path(config)}")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Asks for several devices before the first test can use JAX, if a test will want them."""
    if any("jax_devices" in getattr(item, "fixturenames", ()) for item in session.items):
        _ask_for(_DEVICES)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Counts the compilations of a test that has the marker."""
    marker = item.get_closest_marker("max_compiles")
    if marker is None:
        return (yield)
    limit = _limit(*marker.args, **marker.kwargs)
    from jaxkit.compiles.watch import Watch

    watch = Watch()
    watch.start_when_jax_is_imported()
    try:
        value = yield
    finally:
        watch.stop()
    for function in watch.log.report().data["functions"]:
        counts = function["via"] != "eager" or function["traced"]
        if counts and function["compiles"] > limit:
            pytest.fail(_explained(watch.log, function, limit), pytrace=False)
    return value


def _limit(*args: Any, **kwargs: Any) -> int:
    given = [*args, *([kwargs["n"]] if "n" in kwargs else [])]
    value = given[0] if len(given) == 1 and set(kwargs) <= {"n"} else None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        said = ", ".join([*map(repr, args), *(f"{key}={each!r}" for key, each in kwargs.items())])
        pytest.fail(
            f"@pytest.mark.max_compiles takes one number, 0 or more, got max_compiles({said})",
            pytrace=False,
        )
    return value


def _explained(log: CompileLog, function: Any, limit: int) -> str:
    """Which function, how often, and why it compiled once more than it may."""
    from jaxkit.report import escape

    key = (function["name"], function["file"], function["line"])
    events = [
        event
        for event in log.events
        if event.compiled and (event.function.name, event.function.file, event.function.line) == key
    ]
    text = (
        f"{key[0]} ({os.path.basename(key[1])}:{key[2]}) was compiled {function['compiles']} "
        f"times, max_compiles({limit}) allows {limit}"
    )
    if limit < len(events):
        event = events[limit]
        site = event.call_site
        where = f" at {os.path.basename(site.file)}:{site.line}" if site is not None else ""
        text += f"; compilation {limit + 1}{where}: {_why(event)}"
    return escape(text)


def _why(event: Any) -> str:
    from jaxkit.compiles.groups import Group
    from jaxkit.compiles.wording import sentence

    if event.kind == "first":
        return "the first of this function"
    function = event.function
    group = Group((function.name, function.file, function.line), event.kind)
    group.add(event)
    return sentence(group)


@pytest.fixture
def compile_log() -> Generator[CompileLog]:
    """What JAX compiles during the test, as `jaxkit.watch` records it.

    Yields:
        The log: `.events`, `.recompiles` and `.report()` are readable at any time.
    """
    from jaxkit.compiles.watch import watch

    with watch() as log:
        yield log


@pytest.fixture
def jaxbench() -> JaxBench:
    """Assertions about speed that fail only on evidence, both sides being timed in turns.

    Returns:
        What has `assert_not_slower(f, g, by=1.10, args=())`, `benchmark` and `compare`.
    """
    from jaxkit.timing.asserting import JaxBench

    return JaxBench()


@pytest.fixture
def jax_devices() -> Callable[..., Sequence[Any]]:
    """Several CPU devices: `jax_devices(4)` are four, or an error that says how to get them.

    Returns:
        A function of how many (2 if left out) that returns so many devices.
    """
    return _devices


def _devices(n: int = 2) -> Sequence[Any]:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n must be a number of devices, 1 or more, got n={n!r}")
    _ask_for(n)
    import jax

    found = jax.devices("cpu")
    if len(found) < n:
        raise RuntimeError(
            f"jax_devices({n}): JAX was started with {len(found)} CPU "
            f"device{'s' if len(found) > 1 else ''} and cannot get more in this process; set "
            f"JAX_NUM_CPU_DEVICES={n} in the environment, or in the conftest.py before its first "
            "import of jax"
        )
    return found[:n]


def _ask_for(n: int) -> None:
    """Sets how many CPU devices JAX will start with, if it has not started."""
    wanted = max(n, _configured())
    if "jax" not in sys.modules:
        os.environ["JAX_NUM_CPU_DEVICES"] = str(wanted)
        return
    import jax

    if wanted <= jax.config.jax_num_cpu_devices:
        return
    try:
        jax.config.update("jax_num_cpu_devices", wanted)
    except RuntimeError:  # it has started, perhaps with enough
        return


def _configured() -> int:
    """How many were asked for by other means."""
    flags = [int(each) for each in _FLAG.findall(os.environ.get("XLA_FLAGS", ""))]
    named = os.environ.get("JAX_NUM_CPU_DEVICES", "")
    return max([1, *flags, *([int(named)] if named.isdigit() else [])])
