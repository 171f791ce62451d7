"""Checkpoints: a resumed run is bitwise the uninterrupted one, and nothing whole is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.errors import MissingExtraError, UsageError
from jaxkit.training import Checkpoints, DynamicLossScale, EarlyStopping, fit
from jaxkit.training import checkpoint as checkpoint_module
from tests.training.problem import adam, assert_equal, batches, each, model

PROGRAM = Path(__file__).parent / "programs" / "killed.py"
RAGGED = batches(rows=4 * 16 + 5)


def noisy(model: Any, batch: Any, key: Any) -> Any:
    return each(model, batch) * (1 + jax.random.uniform(key))


def run(directory: Any, *, steps: int | None = 23, data: Any = RAGGED, **options: Any) -> Any:
    given: dict[str, Any] = {
        "key": jax.random.key(7),
        "log_every": 4,
        "validation": batches(rows=20, seed=1),
        "early_stopping": EarlyStopping(patience=50),
        "loss_scale": DynamicLossScale(initial=2.0, every=5),
        "checkpoints": None if directory is None else Checkpoints(directory, every=3),
    }
    mine = model()
    return fit(mine, noisy, data, adam(), steps=steps, **(given | options))


def assert_same(one: Any, other: Any) -> None:
    assert_equal(one.model, other.model)
    assert_equal(one.optimizer_state, other.optimizer_state)
    assert one.history == other.history
    assert (one.step, one.epoch, one.stopped) == (other.step, other.epoch, other.stopped)


@pytest.fixture(scope="module")
def uninterrupted() -> Any:
    return run(None)


@pytest.mark.parametrize("stop", [2, 5, 13])
@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_signal_at_any_step(
    tmp_path: Path, uninterrupted: Any, stop: int, asynchronous: bool
) -> None:
    def terminate(event: Any) -> None:
        if event.step == stop:
            os.kill(os.getpid(), 15)

    options = {"checkpoints": Checkpoints(tmp_path, every=3, asynchronous=asynchronous)}
    first = run(tmp_path, callbacks=[terminate], **options)
    assert (first.stopped, first.step) == ("signal", stop)
    assert_same(run(tmp_path, **options), uninterrupted)


def test_shuffled_by_epoch(tmp_path: Path) -> None:
    def shuffled(epoch: int) -> Any:
        order = np.random.default_rng(epoch).permutation(len(RAGGED) - 1)
        return [RAGGED[i] for i in order] + RAGGED[-1:]

    whole = run(None, data=shuffled)
    run(tmp_path, data=shuffled, callbacks=[lambda event: "stop" if event.step == 9 else None])
    # A generator that is made anew is gone through from its beginning.
    resumed = run(tmp_path, data=lambda epoch: iter(shuffled(epoch)))
    assert_equal(resumed.model, whole.model)


def test_a_finished_run_is_not_run_again(tmp_path: Path, uninterrupted: Any) -> None:
    assert_same(run(tmp_path), uninterrupted)
    again = run(tmp_path)
    assert_same(again, uninterrupted)
    assert not [e for e in again.compiles.events if e.function.name == "train_step"]
    assert run(tmp_path, steps=25).step == 25


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    run(tmp_path, checkpoints=Checkpoints(tmp_path, every=3, keep=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["21", "23"]


def test_killed_at_random(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(PROGRAM), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["kills"] >= 4
    assert told["equal"] == told["runs"] > 0


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved")
    run(directory, steps=6)
    return directory


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# Orbax leaves what it was reading beside a file that fails, and closes its loop.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_cut_off_anywhere(saved: Path, tmp_path: Path, uninterrupted: Any) -> None:
    names = files(saved / "6")
    assert len(names) > 3
    seen = set()
    for number, name in enumerate(names):
        directory = tmp_path / str(number)
        shutil.copytree(saved, directory)
        path = directory / "6" / name
        os.truncate(path, path.stat().st_size // 2)
        seen.add(_resumed(directory))
    assert seen == {"fell back", "whole"}


def _resumed(directory: Path) -> str:
    """Goes on for a step; what is restored is whole, or the checkpoint before it."""
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            checkpoint_module.warnings, "warn", lambda text, *args, **kwargs: steps.append(text)
        )
        result = run(directory, steps=6)
    assert_equal(result.model, _sixth().model)
    if not steps:
        return "whole"
    assert "the checkpoint of step 6 (" in steps[0]
    assert "not whole, renamed to STEP.damaged; going on from the newest whole" in steps[0]
    assert (directory / "6.damaged").is_dir()
    return "fell back"


_known: dict[str, Any] = {}


def _sixth() -> Any:
    if "run" not in _known:
        _known["run"] = run(None, steps=6)
    return _known["run"]


def test_none_is_whole(saved: Path, tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    shutil.copytree(saved, directory)
    for step in ("3", "6"):
        shutil.rmtree(directory / step / "state")
    with pytest.raises(UsageError, match=r"no checkpoint in .* is whole: the checkpoint of step 6"):
        run(directory)
    assert {"3", "6"} <= {path.name for path in directory.iterdir()}


def test_what_was_being_written_is_not_counted(saved: Path, tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    shutil.copytree(saved, directory)
    os.rename(directory / "6", directory / "6.orbax-checkpoint-tmp")
    assert_equal(run(directory, steps=6).model, _sixth().model)


def test_of_another_model(saved: Path) -> None:
    before = files(saved)
    with pytest.raises(UsageError) as caught:
        fit(
            model(out=2),
            noisy,
            RAGGED,
            adam(),
            key=jax.random.key(7),
            loss_scale=DynamicLossScale(),
            checkpoints=Checkpoints(saved),
        )
    assert str(caught.value) == (
        f"the checkpoint of step 6 in {str(saved)!r} is of another model or optimiser: "
        "model.weight is float32[1,3] in it, and float32[2,3] in this run; give another directory, "
        "or the model that it was written for"
    )
    assert files(saved) == before


def test_beginning_anew_displaces_nothing(saved: Path) -> None:
    before = files(saved)
    with pytest.raises(UsageError) as caught:
        run(saved, resume=False)
    assert str(caught.value) == (
        f"resume=False begins anew, and {str(saved)!r} has checkpoints of another run, up to step "
        "6: give another directory, or resume=True"
    )
    assert files(saved) == before


def test_other_data_than_before(saved: Path) -> None:
    with pytest.raises(ValueError, match="the checkpoint was written after batch 1 of epoch 1"):
        run(saved, data=lambda epoch: [])


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    directory = tmp_path / "file" / "inside"
    with pytest.raises(UsageError) as caught:
        run(directory)
    assert str(caught.value) == (
        f"checkpoints cannot be written to {str(directory)!r}: Not a directory; give a directory "
        "that this process may write"
    )


def test_no_room_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import orbax.checkpoint as ocp

    save = ocp.CheckpointManager.save

    def fails(self: Any, step: int, **options: Any) -> Any:
        if step > 3:
            raise OSError(28, "No space left on device")
        return save(self, step, **options)

    monkeypatch.setattr(ocp.CheckpointManager, "save", fails)
    with pytest.raises(UsageError) as caught:
        run(tmp_path)
    assert str(caught.value) == (
        f"the checkpoint of step 6 could not be written to {str(tmp_path)!r}: [Errno 28] No space "
        "left on device; the newest that is there is of step 3; make room there, or give another "
        "directory"
    )
    assert (tmp_path / "3").is_dir()


def test_an_error_on_the_way_saves_first(tmp_path: Path) -> None:
    def broken(epoch: int) -> Any:
        yield from RAGGED[:4]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone") as caught:
        run(tmp_path, data=broken)
    note = "jaxkit.training.fit had done 4 steps; the newest checkpoint is of step 4"
    assert caught.value.__notes__ == [note]
    assert (tmp_path / "4").is_dir()
    with pytest.raises(OSError, match="the disk is gone") as caught:
        run(None, data=broken)
    assert caught.value.__notes__ == [
        "jaxkit.training.fit had done 4 steps; checkpoints= would have kept them"
    ]


def test_a_step_that_was_not_finite_is_not_saved(tmp_path: Path) -> None:
    data = [dict(batch) for batch in RAGGED]
    data[4] = {**data[4], "x": data[4]["x"] * np.float32(np.nan)}
    options = {"loss_scale": None, "log_every": 50}
    first = run(tmp_path, data=data, **options)
    assert (first.stopped, first.step) == ("nonfinite", 4)
    again = run(tmp_path, data=data, **options)
    assert (again.stopped, again.step) == ("nonfinite", 4)
    assert run(tmp_path, data=data, on_nonfinite="skip", **options).step == 23


def test_odd_leaves(tmp_path: Path) -> None:
    mine = {
        "w": jnp.ones((2, 3), jnp.bfloat16),
        "empty": jnp.zeros((0, 3)),
        "n": jnp.arange(3),
        "key": jax.random.key(5),
        "a/b.c": jnp.float32(2.0),
    }

    def loss(model: Any, batch: Any) -> Any:
        return jnp.square(batch["x"] @ model["w"][0].astype(jnp.float32) * model["a/b.c"])

    options = {"checkpoints": Checkpoints(tmp_path, every=2)}
    fit(mine, loss, batches(), adam(), steps=2, **options)
    other = {**mine, "n": jnp.zeros(3, int), "key": jax.random.key(6)}
    resumed = fit(other, loss, batches(), adam(), steps=3, **options)
    whole = fit(mine, loss, batches(), adam(), steps=3)
    del resumed.model["key"], whole.model["key"]
    assert_equal(resumed.model, whole.model)


def test_from_four_devices_to_one(tmp_path: Path) -> None:
    data = batches()
    options = {"data": data, "early_stopping": None, "validation": None}
    for parallel, directory in (("sharding", tmp_path / "a"), ("pmap", tmp_path / "b")):
        four = run(directory, steps=5, devices=4, parallel=parallel, **options)
        one = run(directory, steps=5, **options)
        assert_equal(four.model, one.model)
        assert run(directory, steps=6, devices=2, **options).step == 6


def test_without_orbax(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    monkeypatch.setitem(sys.modules, "orbax", None)
    with pytest.raises(MissingExtraError) as caught:
        run(tmp_path)
    assert str(caught.value) == (
        "this needs the package 'orbax-checkpoint': install it with python -m pip install "
        '"jaxkit-debug[training]"'
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be 1 or more, got every=0"),
        ({"keep": 0}, "keep must be 1 or more, got keep=0"),
    ],
)
def test_numbers_that_make_no_sense(options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Checkpoints("x", **options)
    assert str(caught.value) == message
