from typing import Any

import pytest

from jaxkit.report import Figures, Finding, Report, Section, Table, Text, Tree, render


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


def test_a_section_is_made_when_drawn_and_short_on_a_terminal() -> None:
    made: list[str] = []

    def whole() -> list[Text]:
        made.append("whole")
        return [Text("all of it")]

    section = Section("Details", whole, brief=[Text("in short")])
    report = Report("x", [Finding("dead-code", "info", "found")], blocks=[Text("top"), section])
    assert render(report, ".txt") == "top\nin short\n"
    assert made == []
    page = str(render(report, ".html"))
    assert page.index("found</p>") < page.index("<h2>Details</h2>") < page.index("all of it")
    assert '<a href="#details">Details</a>' in page
    assert str(render(report, ".html")) == page
    assert made == ["whole"]
    plain = Report("x", blocks=[Section("Details", [Text("all of it")])])
    assert render(plain, ".txt") == "Details\nall of it\n"
    assert "all of it" in plain._repr_html_()


def test_figures_are_tiles_or_one_line() -> None:
    report = Report("x", blocks=[Figures([("peak", "4 GiB", "on a device"), ("<b>", "1", "")])])
    assert render(report, ".txt") == "peak 4 GiB (on a device), <b> 1\n"
    assert "<dt>&lt;b&gt;</dt>" in str(render(report, ".html"))


def test_bars_of_a_tree_stand_below_each_other() -> None:
    tree = Tree("all", [Tree("part", [Tree("much", share=0.004)], share=0.5), "rest"], share=1.0)
    assert str(render(Report("x", blocks=[tree]), ".txt")).splitlines() == [
        "########## 100% all",
        "#####.....  50%   part",
        "#.........  <1%     much",
        "                  rest",
    ]
