import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

import jaxkit.report.renderers
from jaxkit.errors import PluginError, ReportPathError
from jaxkit.report import Report, find_suffix, render, suffixes


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Installs renderers as packages would: `plugins(md=function)`."""

    def install(**renderers: Any) -> None:
        module = ModuleType("jaxkit_test_plugin")
        vars(module).update(renderers)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        entries = [
            EntryPoint(
                f".{name.replace('_', '.')}", f"{module.__name__}:{name}", "jaxkit.renderers"
            )
            for name in renderers
        ]
        monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: entries)

    monkeypatch.delenv("JAXKIT_NO_PLUGINS", raising=False)
    return install


def test_ours() -> None:
    assert {".json", ".txt"} <= set(suffixes())
    assert render(Report("compiles"), ".json") == Report("compiles").to_json()
    for where in jaxkit.report.renderers._BUILT_IN.values():
        assert callable(jaxkit.report.renderers._load(where))


def test_an_unknown_suffix_names_the_known_ones(plugins: Any) -> None:
    plugins()
    with pytest.raises(ValueError) as caught:
        render(Report("compiles"), ".pdf")
    assert str(caught.value) == (
        "suffix must be one of .html, .json, .sarif, .trace.json, .txt, got suffix='.pdf'"
    )
    with pytest.raises(ReportPathError) as caught_path:
        find_suffix("out.pdf", also=[".jsonl"])
    assert str(caught_path.value) == (
        "cannot write a report to 'out.pdf': "
        "its name must end in one of .html, .json, .jsonl, .sarif, .trace.json, .txt, "
        "which choose the form"
    )
    for name in ("out", "json", ".json", "folder.json/"):
        with pytest.raises(ReportPathError):
            find_suffix(name)


def test_the_longest_suffix_wins(plugins: Any) -> None:
    plugins(trace_json=lambda report: b"trace")
    assert find_suffix("a/out.json") == ".json"
    assert find_suffix("a/OUT.JSON") == ".json"
    assert find_suffix("a/out.trace.json") == ".trace.json"
    assert find_suffix("a/trace.json") == ".json"


def test_plug_ins_add_but_never_replace(plugins: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins(md=lambda report: f"# {report.tool}", json=lambda report: "mine")
    assert ".md" in suffixes()
    assert render(Report("compiles"), ".md") == "# compiles"
    assert render(Report("compiles"), ".json") != "mine"
    monkeypatch.setenv("JAXKIT_NO_PLUGINS", "1")
    assert ".md" not in suffixes()


def test_broken_plug_ins_are_named(plugins: Any) -> None:
    plugins(md="no function", rst=lambda report: 7)
    way_out = "; set JAXKIT_NO_PLUGINS=1 to go without plug-ins"
    with pytest.raises(PluginError) as caught:
        render(Report("compiles"), ".md")
    assert str(caught.value) == (
        "plug-in 'jaxkit.renderers: .md = jaxkit_test_plugin:md' must be a function, got str"
        + way_out
    )
    with pytest.raises(PluginError) as caught:
        render(Report("compiles"), ".rst")
    assert str(caught.value) == (
        "plug-in 'jaxkit.renderers: .rst = jaxkit_test_plugin:rst' must return str or bytes, "
        "got int" + way_out
    )
    del sys.modules["jaxkit_test_plugin"]
    with pytest.raises(PluginError) as caught:
        render(Report("compiles"), ".md")
    assert str(caught.value) == (
        "plug-in 'jaxkit.renderers: .md = jaxkit_test_plugin:md' cannot be loaded: "
        "ModuleNotFoundError: No module named 'jaxkit_test_plugin'" + way_out
    )
