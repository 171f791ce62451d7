"""The HTML page, in a real browser: it shows all, runs nothing of the user's, asks nobody."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from jaxkit.report import (
    Finding,
    Graph,
    HeatLine,
    Node,
    Report,
    SourceHeat,
    SourceLine,
    Table,
    Text,
    Tree,
)
from jaxkit.report.html.layout import picture
from tests.report.browser import chromium
from tests.strategies import reports

EVIL = "</script><img src=x onerror=\"document.title='owned'\">"


def a_report() -> Report:
    layers = [
        Tree(
            f"layer {i}",
            [
                Tree(f"dot_general f32[{i},3]", share=0.2, where=SourceLine("train.py", 40 + i)),
                Tree(f"tanh f32[{i}]", share=0.05, where=SourceLine("train.py", 50)),
            ],
            share=0.25,
        )
        for i in range(4)
    ]
    heat = [HeatLine(40 + i, f"y{i} = x @ w{i}", 0.2, "1 MFLOP") for i in range(4)]
    return Report(
        "inspect",
        [
            Finding(
                "dead-code", "warning", f"{EVIL} is unused", SourceLine(EVIL, 41, function=EVIL)
            ),
            Finding("unused-input", "info", "y is not used", fix=EVIL),
        ],
        blocks=[
            Text("step: 3.1 GFLOP", style="heading"),
            Tree("step", [*layers, EVIL], share=1.0),
            Table(["primitive", EVIL], [["dot_general", EVIL]], title=EVIL),
            SourceHeat("train.py", [*heat, HeatLine(44, EVIL, notes=[EVIL])], title=EVIL),
            Graph([Node(EVIL), Node("sin", [0], where=SourceLine("train.py", 41))], title=EVIL),
        ],
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("browser")
    with chromium(str(folder / "profile")) as driver:
        path = folder / "report.html"
        a_report().save(path)
        driver.address = path.as_uri()
        yield driver


@pytest.fixture
def page(browser: Any) -> Any:
    browser.get(browser.address)
    return browser


def shown(page: Any, selector: str) -> list[str]:
    return [e.text for e in page.find_elements("css selector", selector) if e.is_displayed()]


def test_nothing_of_the_users_runs_and_nothing_is_fetched(page: Any) -> None:
    assert page.title == "step: 3.1 GFLOP"
    assert page.find_elements("css selector", "img") == []
    assert page.page_source.count("<script") == 1
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        and message["params"]["documentURL"] == page.address  # not the browser's own start page
    ]
    assert asked == [page.address]
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
    text = page.find_element("css selector", "main").text
    assert text.count(EVIL) >= 6


def test_a_search_leaves_what_matches_and_what_it_stands_in(page: Any) -> None:
    search = page.find_element("id", "search")
    search.send_keys("dot_general f32[2")
    assert shown(page, ".tree .row .label") == ["step", "layer 2", "dot_general f32[2,3]"]
    assert page.find_element("id", "status").text == "1 match"
    search.send_keys("\ue00c")  # Escape
    assert len(shown(page, ".tree .row .label")) == 14
    search.send_keys("no such thing")
    assert shown(page, ".tree .row .label") == []
    assert page.find_element("id", "status").text == "0 matches"


def test_a_click_on_a_line_shows_its_equations(page: Any) -> None:
    line = page.find_element("css selector", "[data-show='train.py:41']")
    line.click()
    assert shown(page, ".tree .match .label") == ["dot_general f32[1,3]"]
    assert page.find_element("id", "status").text == "1 match on line 41"
    assert len(page.find_elements("css selector", ".graph g.match")) == 1
    line.click()
    assert len(shown(page, ".tree .row .label")) == 14


def test_the_keyboard_does_all_of_it(page: Any) -> None:
    up, down, left, right = "\ue013", "\ue015", "\ue012", "\ue014"
    body = page.find_element("css selector", "body")
    body.send_keys("/")
    assert page.switch_to.active_element.get_attribute("id") == "search"
    page.find_element("css selector", ".tree summary").send_keys(down)
    focused = page.switch_to.active_element
    assert "layer 0" in focused.text
    focused.send_keys(left)
    assert "dot_general f32[0,3]" not in shown(page, ".tree .label")
    focused.send_keys(right)
    assert "dot_general f32[0,3]" in shown(page, ".tree .label")
    focused.send_keys(down)
    assert "dot_general f32[0,3]" in page.switch_to.active_element.text
    page.switch_to.active_element.send_keys(left)
    assert "layer 0" in page.switch_to.active_element.text
    page.switch_to.active_element.send_keys(up)
    assert "step" in page.switch_to.active_element.text
    page.find_element("css selector", "[data-show='train.py:42']").send_keys("\ue007")  # Enter
    assert shown(page, ".tree .match .label") == ["dot_general f32[2,3]"]


def test_fold_and_unfold_all(page: Any) -> None:
    page.find_element("id", "fold").click()
    assert shown(page, ".tree .row .label") == ["step"]
    page.find_element("id", "unfold").click()
    assert len(shown(page, ".tree .row .label")) == 14


@given(reports)
def test_any_report_makes_a_page(report: Report) -> None:
    page = report_page(report)
    assert page.count("<script") == 1
    assert page.startswith("<!doctype html>")
    assert page.encode("utf-8")


def report_page(report: Report) -> str:
    from jaxkit.report.render_html import render_html

    return render_html(report)


def test_a_deep_tree_and_a_large_one() -> None:
    tree = Tree("bottom")
    for level in range(5_000):
        tree = Tree(str(level), [tree])
    assert report_page(Report("inspect", blocks=[tree])).count("<details") == 5_000
    wide = Tree("top", [Tree(str(i), ["leaf"], folded=i == 0) for i in range(100)])
    assert report_page(Report("inspect", blocks=[wide])).count("<details open") == 100


def test_a_picture_puts_each_box_below_its_inputs() -> None:
    graph = Graph(
        [Node("x"), Node("w"), Node("dot", [0, 1]), Node("add", [2, 0]), Node("sum", [3])]
    )
    boxes = picture(graph).boxes
    for box in boxes:
        assert all(boxes[source].y < box.y for source in box.node.inputs)
    for first, second in itertools.pairwise(boxes):
        if first.y == second.y:
            assert abs(first.x - second.x) >= (first.width + second.width) / 2
    assert picture(Graph([])).boxes == []


def test_the_file_is_written_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    a_report().save(path)
    assert path.read_text("utf-8") == report_page(a_report())
