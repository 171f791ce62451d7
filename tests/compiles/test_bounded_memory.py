"""A run of any length fits: old events are folded into their group."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")
@pytest.mark.parametrize(
    ("functions", "sizes", "count"),
    [(500, 10**9, 20_000), (10_000, 1, 10_000)],
    ids=["every size new", "every function new"],
)
def test_many_events_fit(functions: int, sizes: int, count: int) -> None:
    command = [sys.executable, "-c", PROGRAM, str(functions), str(sizes), str(count)]
    subprocess.run(command, check=True, timeout=300)
