"""Runs that are killed at a random step, or at a random time, until one of them ends by itself.

Prints how many were killed, and how many ended with exactly the model of a run that was not.
Children are forked before JAX has started anything: what is imported is imported once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
sys.path.insert(0, str(Path(__file__).parents[3]))

import jax
import numpy as np
import orbax.checkpoint  # noqa: F401  imported once

from jaxkit.training import Checkpoints, fit
from tests.training.problem import adam, arrays, batches, each, model

STEPS = 24
DATA = batches(rows=4 * 16 + 5)


def noisy(model, batch, key):
    return each(model, batch) * (1 + jax.random.uniform(key))


def child(directory: Path | None, out: Path, kill_at: int | None, kill_in: float | None) -> None:
    def callback(event) -> None:
        if event.step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if event.step == 1 and kill_in is not None:
            threading.Timer(kill_in, os.kill, (os.getpid(), signal.SIGKILL)).start()
        time.sleep(0.002)  # long enough for a checkpoint to be half written

    result = fit(
        model(),
        noisy,
        DATA,
        adam(),
        steps=STEPS,
        key=jax.random.key(7),
        log_every=4,
        callbacks=[callback],
        checkpoints=None if directory is None else Checkpoints(directory, every=3, keep=2),
    )
    np.savez(out, *arrays((result.model, result.optimizer_state)))
    out.with_suffix(".json").write_text(json.dumps(result.history))


def forked(*arguments) -> bool:
    """Whether the child was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            child(*arguments)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def same(one: Path, other: Path) -> bool:
    with np.load(one) as a, np.load(other) as b:
        equal = all(a[name].tobytes() == b[name].tobytes() for name in a.files)
    return equal and one.with_suffix(".json").read_text() == other.with_suffix(".json").read_text()


def main() -> None:
    folder, rng = Path(sys.argv[1]), random.Random(0)
    whole = folder / "whole.npz"
    forked(None, whole, None, None)
    kills = equal = 0
    # Each list: the steps to be killed at, then the seconds after the first step.
    runs = [
        [(rng.randint(1, 6), None), (rng.randint(7, 15), None), (rng.randint(16, 23), None)],
        [(None, rng.uniform(0.0, 0.15)) for _ in range(3)],
    ]
    for number, plan in enumerate(runs):
        out = folder / f"{number}.npz"
        for kill_at, kill_in in [*plan, (None, None)]:
            killed = forked(folder / str(number), out, kill_at, kill_in)
            kills += killed
            if not killed:
                break
        equal += same(out, whole)
    print(json.dumps({"kills": kills, "runs": len(runs), "equal": equal}))


if __name__ == "__main__":
    main()
