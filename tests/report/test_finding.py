import copy
import dataclasses
import enum
import pickle
from typing import Any

import pytest
from hypothesis import given

from jaxkit.report import Finding, FrozenMapping, Report, SourceLine
from tests.strategies import findings


def test_a_source_line_reads_as_editors_take_it() -> None:
    assert str(SourceLine("train.py", 41)) == "train.py:41"
    assert str(SourceLine("train.py", 41, 7, "step")) == "train.py:41:7 in step"
    assert str(SourceLine("<string>", 0)) == "<string>"


@pytest.mark.not_under_beartype
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((7, 1), TypeError, "file must be str, got file=7 of type int"),
        (("f", "1"), TypeError, "line must be int, got line='1' of type str"),
        (("f", True), TypeError, "line must be int, got line=True of type bool"),
        (("f", -1), ValueError, "line must be 0 (not known) or more, got line=-1"),
        (("f", 1, 0), ValueError, "column must be 1 or more, or None, got column=0"),
        (("f", 1, 2.5), TypeError, "column must be int, got column=2.5 of type float"),
        (
            ("f", 1, None, None),
            TypeError,
            "function must be str, got function=None of type NoneType",
        ),
    ],
)
def test_a_source_line_refuses(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        SourceLine(*arguments)
    assert str(caught.value) == message


@pytest.mark.not_under_beartype
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"kind": 3}, TypeError, "kind must be str, got kind=3 of type int"),
        (
            {"kind": "Shape_Change"},
            ValueError,
            "kind must be kebab-case such as 'shape-change', got kind='Shape_Change'",
        ),
        (
            {"kind": "a--b"},
            ValueError,
            "kind must be kebab-case such as 'shape-change', got kind='a--b'",
        ),
        (
            {"severity": "fatal"},
            ValueError,
            "severity must be one of error, warning, info, got severity='fatal'",
        ),
        ({"message": " \n"}, ValueError, r"message must say something, got message=' \n'"),
        (
            {"where": "train.py:41"},
            TypeError,
            "where must be SourceLine, got where='train.py:41' of type str",
        ),
        ({"fix": 1}, TypeError, "fix must be str, got fix=1 of type int"),
        ({"data": [1]}, TypeError, "data must be Mapping, got data=[1] of type list"),
        (
            {"data": {"shapes": [(1, 2), {3}]}},
            TypeError,
            (
                "data['shapes'][1] must be a JSON value (str, int, float, bool, None, list, tuple "
                "or mapping), got builtins.set: convert it, or write it as a string"
            ),
        ),
        (
            {"data": {"by_line": {41: 2}}},
            TypeError,
            "the keys of data['by_line'] must be str, got 41 of type int",
        ),
    ],
)
def test_a_finding_refuses(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"kind": "shape-change", "severity": "warning", "message": "m"}
    with pytest.raises(error) as caught:
        Finding(**(arguments | changed))
    assert str(caught.value) == message


def test_data_that_contains_itself_is_refused() -> None:
    data: dict[str, Any] = {}
    data["again"] = data
    with pytest.raises(ValueError) as caught:
        Finding("loop", "info", "m", data=data)
    assert str(caught.value).endswith("is nested more than 64 levels deep, or contains itself")
    assert str(caught.value).startswith("data['again']['again']")


def test_data_is_a_copy_that_cannot_change() -> None:
    sizes = [32, 17]
    finding = Finding("shape-change", "info", "m", data={"sizes": sizes, "call": {"line": 3}})
    sizes.append(9)
    assert finding.data == {"sizes": (32, 17), "call": {"line": 3}}
    with pytest.raises(TypeError):
        finding.data["sizes"] = ()  # type: ignore[index]
    with pytest.raises(TypeError):
        finding.data["call"]["line"] = 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.kind = "other"  # type: ignore[misc]


def test_data_keeps_what_json_can_say() -> None:
    class Color(enum.StrEnum):
        RED = "red"

    class Size(enum.IntEnum):
        SMALL = 1

    values = [float("nan"), float("inf"), -float("inf"), Color.RED, Size.SMALL, True]
    kept = Finding("k", "info", "m", data={"values": values}).data["values"]
    assert kept == ("NaN", "Infinity", "-Infinity", "red", 1, True)
    assert [type(value) for value in kept] == [str, str, str, str, int, bool]


@given(findings)
def test_findings_are_values(finding: Finding) -> None:
    for twin in (copy.deepcopy(finding), pickle.loads(pickle.dumps(finding))):
        assert twin == finding
        assert hash(twin) == hash(finding)


def test_a_frozen_mapping_reads_like_a_dict() -> None:
    mapping = FrozenMapping({"a": 1, "b": (2,)})
    assert mapping == {"a": 1, "b": (2,)}
    assert repr(mapping) == "{'a': 1, 'b': (2,)}"
    assert (len(mapping), list(mapping), mapping.get("c")) == (2, ["a", "b"], None)


def test_a_frozen_mapping_keeps_no_list_of_its_callers() -> None:
    given = {"a": [1, {"b": float("inf")}]}
    mapping = FrozenMapping(given)
    given["a"].append(2)
    assert mapping == {"a": (1, {"b": "Infinity"})}
    with pytest.raises(TypeError, match=r"items\['a'\] must be a JSON value"):
        FrozenMapping({"a": object()})


def test_a_frozen_mapping_of_later_is_made_once_when_looked_at() -> None:
    made: list[int] = []

    def make() -> dict[str, list[int]]:
        made.append(1)
        return {"a": [1]}

    mapping = FrozenMapping.later(make)
    report = Report("tool", data=mapping)
    assert not made
    assert report.data == {"a": (1,)}
    assert report == Report("tool", data={"a": [1]})
    assert pickle.loads(pickle.dumps(mapping)) == copy.deepcopy(mapping) == {"a": (1,)}
    assert hash(mapping) == hash(FrozenMapping({"a": [1]}))
    assert len(made) == 1
    assert not hasattr(mapping, "b")
