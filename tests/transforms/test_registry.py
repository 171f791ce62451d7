"""The registry: ours, other packages', and what a broken one of them does to the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jaxkit.errors import JaxkitError, PluginError, UsageError
from jaxkit.transforms import Entry, Transform, _registry, available, get
from tests.plugins import SOUND, Install, installer

WAY_OUT = "; set JAXKIT_NO_PLUGINS=1 to go without plug-ins"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    return installer(tmp_path, monkeypatch)


def test_ours() -> None:
    found = {name: entry for name, entry in available().items() if entry.origin == "jaxkit"}
    assert set(found) == set(_registry._BUILT_IN)
    for name, entry in found.items():
        assert entry.error is None, entry
        assert entry.summary.endswith(".")
        assert entry.options is not None
        assert isinstance(get(name), Transform)
        assert get(name).name == name
    assert list(available()) == sorted(available())


def test_an_unknown_name_has_its_near_misses() -> None:
    with pytest.raises(UsageError) as caught:
        get("clip_gradient")
    assert str(caught.value) == (
        "there is no transform 'clip_gradient'; did you mean 'clip_gradients'?"
    )
    assert isinstance(caught.value, JaxkitError)
    with pytest.raises(UsageError) as caught:
        get("zzz")
    assert str(caught.value).startswith("there is no transform 'zzz'; there are accumulate_grad")


def test_a_plug_in(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("acme", SOUND.format(name="acme_scale"), "acme_scale = acme:acme_scale")
    assert "acme" not in sys.modules
    entry = available()["acme_scale"]
    assert (entry.name, entry.origin, entry.error) == ("acme_scale", "acme", None)
    assert entry.summary == "Scales what a function returns."
    assert str(entry.options) == "(*, factor: float = 2.0)"
    assert get("acme_scale")(factor=3.0)(abs)(-1.0) == 3.0
    monkeypatch.setenv("JAXKIT_NO_PLUGINS", "1")
    assert "acme_scale" not in available()
    with pytest.raises(UsageError):
        get("acme_scale")


def test_nothing_is_imported_to_get_one_of_ours(install: Install) -> None:
    install("acme", "raise RuntimeError", "acme_scale = acme:acme_scale")
    get("accumulate_gradients")
    assert "acme" not in sys.modules


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('boom')", "cannot be loaded: RuntimeError: boom"),
        ("import jaxkit.no_such", "cannot be loaded: ModuleNotFoundError: No module named "),
        ("def broken(:", "cannot be loaded: SyntaxError: "),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
        ("import sys; sys.exit()", "cannot be loaded: SystemExit: "),
        ("other = 1", "cannot be loaded: AttributeError: module 'acme' has no attribute 'broken'"),
        (
            "def broken(fun): return fun",
            "must be a Transform, as @jaxkit.transform makes it, got function",
        ),
        (
            SOUND.format(name="another") + "broken = another",
            (
                "must have the name of its transform, which is 'another': rename the entry point, "
                "or give @jaxkit.transform(name='broken')"
            ),
        ),
        (
            "import jaxkit\n@jaxkit.transform\ndef broken(fun, option): ...",
            (
                "cannot be loaded: TypeError: a transform's options are keyword-only, got 'option' "
                "in broken(fun, option): put a * after 'fun'"
            ),
        ),
    ],
)
def test_a_broken_one_is_named_and_breaks_no_other(
    install: Install, code: str, reason: str
) -> None:
    install("acme", code, "broken = acme:broken")
    install("sound", SOUND.format(name="sound_scale"), "sound_scale = sound:sound_scale")
    found = available()
    assert found["sound_scale"].error is None
    assert found["broken"].origin == "acme"
    assert (found["broken"].error or "").startswith(reason)
    with pytest.raises(PluginError) as caught:
        get("broken")
    message = f"plug-in 'jaxkit.transforms: broken = acme:broken' {reason}"
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(WAY_OUT)
    assert get("sound_scale")(abs)(-1.0) == 2.0


def test_a_plug_in_cannot_hide_one_of_ours(install: Install) -> None:
    install("acme", SOUND.format(name="bucket"), "bucket = acme:bucket")
    found = available()
    assert found["bucket"].origin == "jaxkit"
    assert found["bucket (acme)"] == Entry(
        "bucket (acme)",
        "acme",
        error="has the name of jaxkit's own transform 'bucket': it needs another one",
    )
    assert get("bucket").factory.__module__ == "jaxkit.transforms._bucket"


def test_two_plug_ins_of_one_name(install: Install) -> None:
    for name in ("acme", "beta"):
        install(name, SOUND.format(name="twice"), f"twice = {name}:twice")
    found = available()["twice"]
    assert found.error is not None
    assert found.error.startswith("is not the only one of its name: ")
    assert set(found.origin.split(", ")) == {"acme", "beta"}
    with pytest.raises(PluginError):
        get("twice")


def test_metadata_that_cannot_be_read_hides_nothing(install: Install) -> None:
    install("acme", SOUND.format(name="acme_scale"), "acme_scale = acme:acme_scale")
    install("beta", "", "this line is malformed")
    assert available()["acme_scale"].error is None


def test_a_value_that_names_nothing(install: Install) -> None:
    install("acme", "", "odd = not a reference!")
    assert (available()["odd"].error or "").startswith("cannot be loaded: ")
