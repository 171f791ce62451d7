"""A run of any length fits: old events are folded into their group.

The long run is a third as long by default; JAXKIT_ALL=1 in the environment makes it whole.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Only Linux tells the resident memory of a process in a file, without another package.
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")

# In a process of its own, which is what `jaxkit run` is; resident memory, because that is what
# the program is killed for. The bound is that of 100,000 events: what has been folded by the
# 20,000th stays folded.
PROGRAM = """
import json, sys
import jax, numpy as np
import jaxkit
from jaxkit.compiles.event import CompileEvent

functions, sizes, count = map(int, sys.argv[1:])

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

f = jax.jit(lambda batch: batch["k0"] * 2)
with jaxkit.watch() as log:
    f({f"k{i}": np.ones(3, np.float32) for i in range(8)})
text = json.dumps(log.events[0].to_dict())

before = resident()
with jaxkit.watch() as log:
    for number in range(count):
        data = json.loads(text)
        data["signature"][0]["type"] = f"f32[{number % sizes}]"
        data["function"]["name"] = f"f{number % functions}"
        log.record(CompileEvent.from_dict(data))
grown = resident() - before
report = log.report()
told = sum(function["compiles"] for function in report.data["functions"])
assert told == count == report.data["events"], (told, count, report.data["events"])
assert grown < 100, f"{grown:.0f} MB"
"""


@LINUX
@pytest.mark.parametrize(
    ("functions", "sizes", "count"),
    [(500, 10**9, 20_000), (10_000, 1, 10_000)],
    ids=["every size new", "every function new"],
)
def test_many_events_fit(functions: int, sizes: int, count: int) -> None:
    command = [sys.executable, "-c", PROGRAM, str(functions), str(sizes), str(count)]
    subprocess.run(command, check=True, timeout=300)


# Written without JAX: what is folded never needs it. Every tenth function has a hundred leaves,
# all of which change; the others have one.
LONG_RUN = """
import sys
from jaxkit.compiles.event import CompileEvent, Function, Place, Signature
from jaxkit.compiles.leaf import Leaf, intern
from jaxkit.compiles.log import CompileLog

FUNCTIONS, COUNT = 300, int(sys.argv[1])

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

def leaves(size, wide):
    yield intern(Leaf("batch['x']", "array", f"f32[{size},8]"))
    for number in range(99 if wide else 0):
        path = f"params['layer_{number}']"
        yield intern(Leaf(path, "array", f"f32[{number + 1},{size % 7 + 1}]"))

def event(number):
    which = number % FUNCTIONS
    found = tuple(leaves(number // FUNCTIONS, which % 10 == 0))
    return CompileEvent(
        index=-1,
        process=1,
        thread="MainThread",
        time=1.0 + number,
        outcome="compiled",
        function=Function(
            f"f{which}",
            f"f{which}",
            "program",
            "program.py",
            which + 1,
            id=f"#{which}",
            inner_id=f"#{which}",
            code=f"code {which}",
        ),
        call_site=Place("program.py", 1_000 + number % 50, "main"),
        via="jit",
        stages=("trace", "lower", "compile"),
        seconds={"trace": 0.25, "lower": 0.25, "compile": 0.5},
        signature=Signature(found, (("batch", "dict"),), (("batch", "positional"),)),
    )

before = resident()
log = CompileLog()
for number in range(COUNT):
    log.record(event(number))
grown = resident() - before
report = log.report()
assert "jax" not in sys.modules
functions = report.data["functions"]
assert len(functions) == FUNCTIONS
assert sum(function["compiles"] for function in functions) == COUNT
assert sum(function["recompiles"] for function in functions) == COUNT - FUNCTIONS
assert report.data["events"] == report.data["compiles"] == COUNT
assert abs(report.data["compile_seconds"] - COUNT) < 1
assert {finding.kind for finding in report.findings} == {"shape-change"}
assert sum(finding.data["recompiles"] for finding in report.findings) == COUNT - FUNCTIONS
assert log.dropped == COUNT - len(log.events) > 0
assert log.events[-1].index == COUNT - 1
assert grown < 100, f"{grown:.0f} MB"
"""


@LINUX
def test_a_hundred_thousand_events_fit_and_add_up() -> None:
    count = "100000" if os.environ.get("JAXKIT_ALL") == "1" else "33000"
    subprocess.run([sys.executable, "-c", LONG_RUN, count], check=True, timeout=300)
