"""Runs in threads of one process: Orbax counts for the whole process, so they take turns."""

from __future__ import annotations

import shutil
import threading
import warnings
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.errors import UsageError
from jaxkit.training import Checkpoints, fit
from jaxkit.training import checkpoint as checkpoint_module
from tests.training.problem import adam, assert_equal, batches, each, model


def in_threads(count: int, work: Any) -> list[Any]:
    found: list[Any] = [None] * count

    def run(i: int) -> None:
        try:
            found[i] = work(i)
        except BaseException as error:
            found[i] = error

    # Daemons: one that hangs fails this test, and not all that come after it.
    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    return found


def test_four_runs_that_save_at_once(tmp_path: Path) -> None:
    def run(i: int, steps: int = 5) -> Any:
        # The last one does not save in the background.
        there = Checkpoints(tmp_path / str(i), every=1, asynchronous=i < 3)
        return fit(model(), each, batches(), adam(), steps=steps, checkpoints=there)

    results = in_threads(4, run)
    assert [getattr(result, "step", result) for result in results] == [5] * 4
    for i in range(4):
        assert sorted(path.name for path in (tmp_path / str(i)).iterdir()) == [*"345"]
    again = in_threads(2, lambda i: run(i, steps=7))
    assert [getattr(result, "step", result) for result in again] == [7] * 2
    assert_equal(again[0].model, fit(model(), each, batches(), adam(), steps=7).model)


def test_a_run_within_a_run(tmp_path: Path) -> None:
    def inner(event: Any) -> None:
        there = Checkpoints(tmp_path / f"inner{event.step}", every=1)
        fit(model(), each, batches(), adam(), checkpoints=there)

    there = Checkpoints(tmp_path / "outer", every=1)
    fit(model(), each, batches(), adam(), checkpoints=there, callbacks=[inner])
    names = {path.name: sorted(each.name for each in path.iterdir()) for path in tmp_path.iterdir()}
    assert names == {name: [*"234"] for name in ("outer", "inner1", "inner2", "inner3", "inner4")}


def test_what_fails_in_one_is_not_told_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import orbax.checkpoint as ocp

    wait = ocp.CheckpointManager.wait_until_finished

    def fails(self: Any) -> None:
        wait(self)
        if Path(self.directory).name == "0":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(ocp.CheckpointManager, "wait_until_finished", fails)

    def run(i: int) -> Any:
        there = Checkpoints(tmp_path / str(i), every=1)
        return fit(model(), each, batches(), adam(), checkpoints=there)

    broken, fine = in_threads(2, run)
    assert isinstance(broken, UsageError)
    assert "No space left on device" in str(broken)
    assert fine.step == 4


def test_a_directory_that_is_removed(tmp_path: Path) -> None:
    directory = tmp_path / "runs"

    def remove(event: Any) -> None:
        if event.step == 3:
            shutil.rmtree(directory)

    there = Checkpoints(directory, every=1, asynchronous=False)
    with pytest.raises(UsageError) as caught:
        fit(model(), each, batches(), adam(), checkpoints=there, callbacks=[remove])
    message = (
        f"the checkpoint of step 3 could not be written to {str(directory)!r}: the directory was "
        "removed during the run; no other is there; give one that stays"
    )
    assert str(caught.value) == message
    note = f"jaxkit.training.fit had done 3 steps; a checkpoint could not be written: {message}"
    assert caught.value.__notes__ == [note]
    assert not directory.exists()


def test_a_directory_that_is_removed_before_another_error(tmp_path: Path) -> None:
    directory = tmp_path / "runs"

    def broken(event: Any) -> None:
        if event.step == 3:
            shutil.rmtree(directory)
            raise ZeroDivisionError

    there = Checkpoints(directory, every=3, asynchronous=False)
    with pytest.raises(ZeroDivisionError) as caught:
        fit(model(), each, batches(), adam(), checkpoints=there, callbacks=[broken])
    assert "had done 3 steps; a checkpoint could not be written: " in caught.value.__notes__[-1]


def test_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    fit(model(), each, batches(), adam(), checkpoints=Checkpoints("~/runs"))
    assert (tmp_path / "runs" / "4").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize("directory", ["gs://bucket/x", "s3://x", Path("gs://bucket"), "file:///x"])
def test_what_is_no_directory_of_this_machine(directory: Any) -> None:
    with pytest.raises(ValueError) as caught:
        Checkpoints(directory)
    assert str(caught.value) == (
        f"directory must be on a disk of this machine, got directory={str(directory)!r}: save "
        "there and copy it, or mount it"
    )


@pytest.mark.parametrize("directory", ["", "a\0b"])
def test_what_is_no_directory(directory: str) -> None:
    with pytest.raises(ValueError) as caught:
        Checkpoints(directory)
    assert str(caught.value) == (
        f"directory must be a path, got directory={directory!r}: the current directory is '.'"
    )
    with pytest.raises(TypeError, match=r"^directory must be a path, got directory=\['"):
        Checkpoints(["x" * 1000])  # type: ignore[arg-type]


def test_each_byte_of_what_is_said_of_a_checkpoint(tmp_path: Path) -> None:
    """One that is changed makes it a damaged one, never one of another model."""
    there = Checkpoints(tmp_path / "saved", every=2)
    fit(model(), each, batches(), adam(), checkpoints=there)
    store = checkpoint_module.Store(there)
    path = tmp_path / "saved" / "4" / "meta" / "metadata"
    told = path.read_bytes()
    # But for those of its own name: without one it is taken for one of before there were any.
    own = told.index(b'"checksum"')
    for at in range(0, own, 17):
        path.write_bytes(told[:at] + bytes([told[at] ^ 0x41]) + told[at + 1 :])
        with pytest.raises(Exception, match=r"."):
            store._read(4)
    # A letter of a dtype, which JSON takes.
    path.write_bytes(told.replace(b"float32[1,3]", b"floatr2[1,3]", 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fit(model(), each, batches(), adam(), checkpoints=there)
    assert result.step == 4
    (said,) = [str(each.message) for each in caught if each.category is RuntimeWarning]
    assert said == (
        "the checkpoint of step 4 (what meta/metadata says is not what was written): not whole, "
        "renamed to STEP.damaged; going on from the newest whole checkpoint in "
        f"{str(tmp_path / 'saved')!r}, of step 2"
    )


def test_a_number_that_was_changed(tmp_path: Path) -> None:
    """Orbax has no checksum of arrays that are large: a byte of one would go unnoticed."""
    mine = {"w": jnp.asarray(np.random.default_rng(0).normal(size=(100, 300)), jnp.float32)}

    def loss(model: Any, batch: Any) -> Any:
        return jnp.square(batch["x"] @ model["w"][:3] - 1).mean(axis=1)

    there = Checkpoints(tmp_path / "saved", every=2)
    whole = fit(mine, loss, batches(), adam(), checkpoints=there)
    files = [each for each in (tmp_path / "saved" / "4" / "state").rglob("*") if each.is_file()]
    path = max(files, key=lambda each: each.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.warns(RuntimeWarning, match=r"the checkpoint of step 4 \(.* is not what was writ"):
        again = fit(mine, loss, batches(), adam(), checkpoints=there)
    assert_equal(again.model, whole.model)
