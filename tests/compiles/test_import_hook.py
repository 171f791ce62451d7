"""The hook leaves nothing behind but the call."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxkit.compiles.import_hook import when_imported

NAME = "jaxkit_test_imported"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    yield tmp_path
    sys.modules.pop(NAME, None)
    assert sys.meta_path == finders


def write(folder: Path, text: str) -> None:
    (folder / f"{NAME}.py").write_text(text)
    for cached in folder.glob("__pycache__/*"):
        cached.unlink()  # it counts as valid for a file of the same size within one second
    importlib.invalidate_caches()


def test_the_module_is_as_without_it(folder: Path) -> None:
    write(folder, "import sys\nduring = type(__loader__), __spec__.loader is __loader__\n")
    plain = importlib.import_module(NAME)
    del sys.modules[NAME]
    finders = list(sys.meta_path)
    calls: list[bool] = []
    when_imported(NAME, lambda: calls.append(hasattr(sys.modules[NAME], "during")))
    assert calls == []
    module = importlib.import_module(NAME)
    assert calls == [True]
    assert sys.meta_path == finders
    assert module.during == plain.during == (type(module.__loader__), True)
    assert vars(module.__loader__) == vars(plain.__loader__)
    assert module.__spec__ == plain.__spec__
    del sys.modules[NAME]
    importlib.import_module(NAME)
    assert calls == [True]


def test_a_module_that_is_there_is_told_at_once() -> None:
    calls: list[int] = []
    when_imported("sys", lambda: calls.append(1))()
    assert calls == [1]


def test_it_can_be_called_off(folder: Path) -> None:
    write(folder, "")
    calls: list[int] = []
    cancel = when_imported(NAME, lambda: calls.append(1))
    cancel()
    cancel()
    importlib.import_module(NAME)
    assert calls == []


def test_looking_for_the_module_is_no_import(folder: Path) -> None:
    write(folder, "")
    calls: list[int] = []
    when_imported(NAME, lambda: calls.append(1))
    spec = importlib.util.find_spec(NAME)
    assert importlib.util.find_spec("surely_not_there") is None
    assert spec is not None
    assert calls == []
    importlib.import_module(NAME)
    assert calls == [1]
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert calls == [1]


def test_a_failed_import_shows_no_frame_of_ours_and_may_be_tried_again(folder: Path) -> None:
    calls: list[int] = []
    when_imported(NAME, lambda: calls.append(1))
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(NAME)
    for error in (ImportError, ValueError):
        write(folder, f"raise {error.__name__}('of the module')")
        with pytest.raises(error) as raised:
            exec(f"import {NAME}", {})
        files = [frame.filename for frame in traceback.extract_tb(raised.tb)]
        assert files == [__file__, "<string>", str(folder / f"{NAME}.py")]
    assert calls == []
    write(folder, "a_longer_file = 1")
    importlib.import_module(NAME)
    assert calls == [1]


def test_warnings_of_the_module_are_counted_to_its_importer(folder: Path) -> None:
    write(folder, "import warnings\nwarnings.warn('from above', stacklevel=2)\n")
    when_imported(NAME, lambda: None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(f"import {NAME}", "importer.py", "exec"), {})
    assert [warning.filename for warning in caught] == ["importer.py"]


def test_threads_that_import_it_together_make_one_call(folder: Path) -> None:
    write(folder, "import time\ntime.sleep(0.05)\n")
    calls: list[int] = []
    when_imported(NAME, lambda: calls.append(1))
    threads = [threading.Thread(target=importlib.import_module, args=(NAME,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]
