from typing import Any

import pytest

from jaxkit.report import Table, Text, Tree


def test_blocks_keep_tuples() -> None:
    table = Table(["f", "n"], [["step", 5], ["eval", 0.5]], align=["left", "right"])
    assert table.rows == (("step", "5"), ("eval", "0.5"))
    assert table.align == ("left", "right")
    assert Table(["f"], []).align == ("left",)
    assert Tree("a", [Tree("b"), "c"]).children == (Tree("b"), "c")
    assert hash(table) == hash(Table(("f", "n"), (("step", 5), ("eval", 0.5)), None, table.align))


@pytest.mark.not_under_beartype
@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (
            Table,
            (["f", "n"], [["step", 5], ["eval"]]),
            "each row must have one cell for each of the 2 columns, got rows[1] with 1",
        ),
        (
            Table,
            (["f", "n"], [], None, ["left"]),
            "align must be empty or have one entry for each of the 2 columns, got 1",
        ),
        (
            Table,
            (["f"], [], None, ["middle"]),
            "align must be one of left, right, center, got align='middle'",
        ),
        (
            Text,
            ("t", "loud"),
            "style must be one of plain, heading, dim, good, bad, got style='loud'",
        ),
        (
            Tree,
            ("t", (), "loud"),
            "style must be one of plain, heading, dim, good, bad, got style='loud'",
        ),
    ],
)
def test_blocks_refuse(make: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make(*arguments)
    assert str(caught.value) == message
