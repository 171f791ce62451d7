"""`jaxkit transforms`: what there is, what is broken, and all about one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jaxkit.cli import docstring, main
from jaxkit.report import Text, Tree, validate
from tests.plugins import SOUND, Install, installer


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    return installer(tmp_path, monkeypatch)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["transforms", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_the_list(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", SOUND.format(name="acme_scale"), "acme_scale = acme:acme_scale")
    lines = said(capsys).splitlines()
    assert lines[0].split() == ["name", "options", "from", "what", "it", "does"]
    (row,) = [line for line in lines if line.startswith("acme_scale ")]
    assert row.split()[:4] == ["acme_scale", "factor=2.0", "acme", "Scales"]
    assert any(line.startswith("bucket ") and "in_axes=...," in line for line in lines)
    assert lines[-1] == "jaxkit transforms NAME tells all about one of them"


def test_a_broken_plug_in_is_shown_with_its_reason(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", "raise RuntimeError('\\x1b[2Jboom')", "acme_scale = acme:acme_scale")
    out = said(capsys)
    assert (
        "plug-in acme_scale of acme cannot be loaded: RuntimeError: \\x1b[2Jboom\n"
        "  fix: update or uninstall acme, or set JAXKIT_NO_PLUGINS=1\n"
    ) in out
    assert "\nbucket " in out
    assert main(["transforms", "acme_scale"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(
        "jaxkit: plug-in 'jaxkit.transforms: acme_scale = acme:acme_scale' cannot be loaded: "
    )
    assert "\x1b" not in err  # what a plug-in says does not act on the terminal


def test_the_document(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", SOUND.format(name="acme_scale"), "acme_scale = acme:acme_scale")
    install("beta", "", "odd = beta:odd")
    document = json.loads(said(capsys, "--json"))
    validate(document)
    assert document["tool"] == "transforms"
    found: dict[str, Any] = {each["name"]: each for each in document["data"]["transforms"]}
    assert found["acme_scale"] == {
        "name": "acme_scale",
        "origin": "acme",
        "summary": "Scales what a function returns.",
        "options": [{"name": "factor", "required": False, "default": "2.0", "annotation": "float"}],
        "error": None,
    }
    assert found["odd"]["error"].startswith("cannot be loaded: AttributeError: ")
    (finding,) = [each for each in document["findings"] if each["data"]["name"] == "odd"]
    assert (finding["kind"], finding["severity"]) == ("broken-plugin", "warning")


def test_all_about_one(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", SOUND.format(name="acme_scale"), "acme_scale = acme:acme_scale")
    assert said(capsys, "acme_scale").splitlines() == [
        "acme_scale(fun, *, factor=2.0)",
        "from acme, acme",
        "",
        "Scales what a function returns.",
        "",
        "More about it.",
    ]
    out = said(capsys, "bucket")
    assert "it takes other arguments than the function\n" in out
    assert "\nArgs:\n  fun: The function. It takes the mask" in out
    (one,) = json.loads(said(capsys, "bucket", "--json"))["data"]["transforms"]
    assert (one["name"], one["tags"]) == ("bucket", ["changes_signature"])
    assert one["options"][0]["required"] is True


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transforms", "buckets"]) == 2
    assert capsys.readouterr().err == (
        "jaxkit: there is no transform 'buckets'; did you mean 'bucket'?\n"
    )


def test_docstrings_of_any_form() -> None:
    assert list(docstring.blocks("")) == []
    assert list(docstring.blocks("One.")) == [Text("One.")]
    doc = "One\nline.\n\nAs follows:\n\nmore\n\nArgs:\n    a: An\n        array.\n    b: B.\n\nEnd."
    assert list(docstring.blocks(doc)) == [
        Text("One line."),
        Text(""),
        Text("As follows:"),
        Text(""),
        Text("more"),
        Text(""),
        Tree("Args:", ["a: An array.", "b: B."]),
        Text(""),
        Text("End."),
    ]
    assert list(docstring.blocks("Example:\n    >>> 1\n    1\n\n    >>> 2\n    2")) == [
        Tree("Example:", [">>> 1", "1", "", ">>> 2", "2"])
    ]
