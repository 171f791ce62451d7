"""SIGTERM and Ctrl-C: the step is finished, the state is saved, `fit` returns."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from jaxkit.training import Checkpoints, fit
from tests.training.problem import adam, batches, each, model


def sender(number: int, at: int = 3, times: int = 1) -> Any:
    def send(event: Any) -> None:
        if event.step == at:
            for _ in range(times):
                os.kill(os.getpid(), number)

    return send


@pytest.mark.parametrize(
    ("number", "stopped"), [(signal.SIGTERM, "signal"), (signal.SIGINT, "interrupted")]
)
def test_the_step_is_finished_and_saved(tmp_path: Path, number: int, stopped: str) -> None:
    before = signal.getsignal(number)
    options = {"callbacks": [sender(number)], "checkpoints": Checkpoints(tmp_path)}
    result = fit(model(), each, batches(), adam(), **options)
    assert (result.stopped, result.step) == (stopped, 3)
    assert (tmp_path / "3").is_dir()
    assert signal.getsignal(number) is before


def test_a_second_interrupt_ends_it_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(model(), each, batches(), adam(), callbacks=[sender(signal.SIGINT, times=2)])
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_of_the_users_own_stays() -> None:
    got = []
    before = signal.signal(signal.SIGINT, lambda number, frame: got.append(number))
    try:
        result = fit(model(), each, batches(), adam(), callbacks=[sender(signal.SIGINT)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert got == [signal.SIGINT]
    assert result.stopped == "finished"


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        result = fit(model(), each, batches(), adam(), callbacks=[sender(signal.SIGTERM)])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert result.stopped == "finished"


def test_on_another_thread() -> None:
    found = []
    thread = threading.Thread(
        target=lambda: found.append(fit(model(), each, batches(), adam(), epochs=2))
    )
    thread.start()
    thread.join()
    assert found[0].step == 8
