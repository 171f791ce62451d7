"""Checkpoints by Orbax: written in the background, whole or not at all, the newest few kept."""

from __future__ import annotations

import contextlib
import json
import os
import re
import warnings
import zlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxkit.errors import MissingExtraError, UsageError
from jaxkit.training.state import State, from_host, named_leaves, to_host
from jaxkit.training.turns import in_turn, over
from jaxkit.training.words import short

__all__ = ["Checkpoints", "Store"]

_SCHEMA = "jaxkit.checkpoint/1"


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often a run is saved: each time, at its end, on SIGTERM and on an error.

    A checkpoint has all that a run goes on from: the model's arrays, the optimiser's state, the
    random key, the step, how far the data had been gone through, the history, the loss scale, how
    long early stopping has waited, and the best model where it restores that. It is written beside
    and renamed when it is whole.

    Example:
        >>> Checkpoints("runs/digits", every=100, keep=2).keep
        2

    Args:
        directory: Where they are, one folder for each step, on a disk of this machine; `~` is the
            home directory. One run at a time.
        every: After how many steps one is written.
        keep: How many are kept; older ones are deleted when a new one is whole.
        asynchronous: Whether it is written while training goes on. The copy that is written is
            made at once.

    Raises:
        TypeError: A directory that is no path.
        ValueError: An empty one, or an address such as `gs://bucket`; a number below 1.

    References:
        Orbax, https://orbax.readthedocs.io: the format of the folders.
    """

    directory: str | PathLike[str]
    every: int = 500
    keep: int = 3
    asynchronous: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.directory, (str, PathLike)):
            raise TypeError(f"directory must be a path, got directory={short(self.directory)}")
        _check_local(os.fsdecode(self.directory))
        for name in ("every", "keep"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be 1 or more, got {name}={short(value)}")


class Store:
    """The checkpoints of one run on disk.

    Args:
        options: Where, how often, how many.

    Raises:
        MissingExtraError: Orbax is not installed.
        UsageError: The directory cannot be written.
    """

    def __init__(self, options: Checkpoints) -> None:
        self._ocp = _import_orbax()
        self._options = options
        self.every = options.every
        directory = os.path.expanduser(os.fsdecode(options.directory))
        self.directory = Path(os.path.abspath(directory))
        self._check_writable()
        self._manager: Any = None
        self._saved: int | None = None

    @property
    def saved_step(self) -> int | None:
        """The step of the newest checkpoint; None where there is none, or none any more."""
        return self._saved if self.directory.is_dir() else None

    def _check_writable(self) -> None:
        probe = self.directory / f".jaxkit-{os.getpid()}"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink(missing_ok=True)  # another thread may have been quicker
        except OSError as error:
            raise UsageError(
                f"checkpoints cannot be written to {str(self.directory)!r}: {error.strerror}; "
                "give a directory that this process may write"
            ) from error

    def load(self, like: State) -> tuple[State, dict[str, Any]] | None:
        """The newest whole checkpoint, on the host; None if there is none at all.

        Those newer than it that are damaged are renamed, and a warning says so.

        Args:
            like: The state of a new run, whose structure the checkpoint must have.

        Raises:
            UsageError: It is of another model, or all are damaged.
        """
        damaged: list[tuple[int, str]] = []
        for step in self._steps():
            try:
                with in_turn(self):
                    meta, arrays = self._read(step)
            except Exception as error:  # whatever a file that was cut off makes of it
                damaged.append((step, _first_line(error)))
                continue
            self._check_model(step, meta, like)
            self._set_aside(damaged, step)
            self._saved = step
            return from_host(arrays, like), meta
        if damaged:
            raise UsageError(
                f"no checkpoint in {str(self.directory)!r} is whole: {_listed(damaged)}; give "
                "another directory to begin anew"
            )
        return None

    def refuse_others(self) -> None:
        """Raises if there are checkpoints, which a run from the beginning would displace."""
        steps = self._steps()
        if steps:
            raise UsageError(
                f"resume=False begins anew, and {str(self.directory)!r} has checkpoints of "
                f"another run, up to step {steps[0]}: give another directory, or resume=True"
            )

    def save(self, step: int, state: State, meta: dict[str, Any]) -> None:
        """Writes a checkpoint, of which there must be none for this step yet.

        Parameters that are not finite are not saved: nothing could go on from them.

        Args:
            step: Steps done.
            state: The state after them, of one device.
            meta: What else is kept, JSON's types only.

        Raises:
            UsageError: This one, or the one before, could not be written.
        """
        if not all(np.isfinite(x).all() for x in jax.tree.leaves(state.params)):
            return
        leaves = to_host(state)
        arrays = {_name(i): x for i, x in enumerate(leaves) if x.size}
        about = {"schema": _SCHEMA, "leaves": named_leaves(state), "sums": _sums(leaves), **meta}
        about["checksum"] = _checksum(about)
        args = self._ocp.args
        saved = args.Composite(state=args.PyTreeSave(arrays), meta=args.JsonSave(about))
        try:
            with in_turn(self):
                if not self.directory.is_dir():  # Orbax would make a new one
                    raise FileNotFoundError("the directory was removed during the run")
                self._open().save(step, args=saved, force=True)
        except Exception as error:
            raise self._unwritten(step, error) from error
        self._saved = step

    def wait(self) -> None:
        """Waits for what is being written, for another run of this process."""
        if self._manager is not None:
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for what is being written.

        Raises:
            UsageError: It could not be written.
        """
        if self._manager is None:
            over(self)
            return
        try:
            with in_turn(self):
                manager, self._manager = self._manager, None
                manager.close()
        except Exception as error:
            raise self._unwritten(self._saved, error) from error
        finally:
            over(self)

    def _unwritten(self, step: Any, error: Exception) -> UsageError:
        with contextlib.suppress(Exception), in_turn(self):
            self.wait()  # the one before may still be being written
        kept = [each for each in self._steps() if each != step]
        self._saved = kept[0] if kept else None
        newest = f"the newest that is there is of step {kept[0]}" if kept else "no other is there"
        there = self.directory.is_dir()
        way_out = "make room there, or give another directory" if there else "give one that stays"
        return UsageError(
            f"the checkpoint of step {step} could not be written to {str(self.directory)!r}: "
            f"{_first_line(error)}; {newest}; {way_out}"
        )

    def _open(self) -> Any:
        if self._manager is None:
            options = self._ocp.CheckpointManagerOptions(
                max_to_keep=self._options.keep,
                enable_async_checkpointing=self._options.asynchronous,
                cleanup_tmp_directories=True,
            )
            self._manager = self._ocp.CheckpointManager(self.directory, options=options)
        return self._manager

    def _steps(self) -> list[int]:
        """The steps of which there is a folder under its final name, newest first."""
        if not self.directory.is_dir():
            return []
        names = [each.name for each in self.directory.iterdir() if each.is_dir()]
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def _read(self, step: int) -> tuple[dict[str, Any], list[Any]]:
        folder = self.directory / str(step)
        ocp = self._ocp
        with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as reader:
            meta = reader.restore(folder / "meta", args=ocp.args.JsonRestore())
        if meta.get("schema") != _SCHEMA:
            raise ValueError(f"its schema is {short(meta.get('schema'))}, not {_SCHEMA!r}")
        if meta.pop("checksum", None) != _checksum(meta):
            raise ValueError("what meta/metadata says is not what was written")
        kinds = [_kind(text) for _, text in meta["leaves"]]
        present = {_name(i): x for i, x in enumerate(kinds) if 0 not in x[1]}
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            wanted = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in present}
            args = ocp.args.PyTreeRestore(restore_args=wanted)
            arrays = reader.restore(folder / "state", args=args)
        leaves = [
            arrays[_name(i)] if _name(i) in present else np.zeros(shape, dtype)
            for i, (dtype, shape) in enumerate(kinds)
        ]
        for (name, _), now, then in zip(meta["leaves"], _sums(leaves), meta["sums"], strict=True):
            if now != then:
                raise ValueError(f"{name} is not what was written")
        return meta, leaves

    def _check_model(self, step: int, meta: dict[str, Any], like: State) -> None:
        here, there = dict(named_leaves(like)), dict(map(tuple, meta["leaves"]))
        best = [any(name.startswith("best") for name in names) for names in (here, there)]
        if best[0] != best[1]:
            raise UsageError(
                f"the checkpoint of step {step} in {str(self.directory)!r} was written with "
                f"EarlyStopping(restore_best={best[1]}), and this run has restore_best={best[0]}: "
                "give the same early_stopping=, or another directory"
            )
        for name in [*here, *there]:
            if here.get(name) != there.get(name):
                raise UsageError(
                    f"the checkpoint of step {step} in {str(self.directory)!r} is of another "
                    f"model or optimiser: {name} is {there.get(name, 'not there')} in it, and "
                    f"{here.get(name, 'not there')} in this run; give another directory, or the "
                    "model that it was written for"
                )

    def _set_aside(self, damaged: list[tuple[int, str]], whole: int) -> None:
        if not damaged:
            return
        for step, _ in damaged:
            os.replace(self.directory / str(step), self._free(f"{step}.damaged"))
        warnings.warn(
            f"{_listed(damaged)}: not whole, renamed to STEP.damaged; going on from the newest "
            f"whole checkpoint in {str(self.directory)!r}, of step {whole}",
            RuntimeWarning,
            stacklevel=5,
        )

    def _free(self, name: str) -> Path:
        path, count = self.directory / name, 1
        while path.exists():
            count += 1
            path = self.directory / f"{name}.{count}"
        return path


def _check_local(directory: str) -> None:
    if not directory or "\0" in directory:
        raise ValueError(
            f"directory must be a path, got directory={directory!r}: the current directory is '.'"
        )
    # `Path` makes one slash of two.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", directory):
        raise ValueError(
            f"directory must be on a disk of this machine, got directory={short(directory)}: save "
            "there and copy it, or mount it"
        )


def _checksum(about: dict[str, Any]) -> int:
    """Of what JSON makes of it, in whatever order."""
    return zlib.crc32(json.dumps(json.loads(json.dumps(about)), sort_keys=True).encode())


def _sums(leaves: list[Any]) -> list[int]:
    """Of each array a number that is another one if any byte is; as quick as memory can be read."""
    found = []
    for leaf in leaves:
        data = np.ascontiguousarray(leaf).reshape(-1).view(np.uint8)
        words = data[: data.size // 8 * 8].view(np.uint64)
        found.append(int(words.sum(dtype=np.uint64)) + zlib.crc32(data[words.nbytes :]))
    return found


def _import_orbax() -> Any:
    try:
        import orbax.checkpoint as ocp
    except ImportError as error:
        raise MissingExtraError("orbax-checkpoint", "training") from error
    return ocp


def _name(i: int) -> str:
    return f"leaf{i:05d}"


def _kind(text: str) -> tuple[Any, tuple[int, ...]]:
    """`float32[2,3]` taken apart."""
    dtype, _, rest = text.partition("[")
    return dtype, tuple(int(size) for size in rest.rstrip("]").split(",") if size)


def _listed(damaged: list[tuple[int, str]]) -> str:
    return ", ".join(f"the checkpoint of step {step} ({reason})" for step, reason in damaged)


def _first_line(error: Exception) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else text[:157] + "..."
