"""The page of a real inspection in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxkit
from tests.report.browser import chromium

EVIL = "</script><img src=x onerror=\"document.title='owned'\">"


def block(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w) + x


def loss(x: Any, w: Any) -> Any:
    for i in range(4):
        with jax.named_scope(f"layer{i}"):
            x = block(x, w)
    with jax.named_scope(EVIL):
        return -jnp.log(jax.nn.softmax(x)).mean()


LINE = block.__code__.co_firstlineno + 1


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("browser")
    loss.__name__ = EVIL
    shapes = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((4, 8), (8, 8)))
    found = jaxkit.inspect(jax.value_and_grad(loss, argnums=(0, 1)))(*shapes)
    path = folder / "inspection.html"
    found.save(path)
    with chromium(str(folder / "profile")) as driver:
        driver.address = path.as_uri()
        yield driver


@pytest.fixture
def page(browser: Any) -> Any:
    browser.get(browser.address)
    return browser


def shown(page: Any, selector: str) -> list[str]:
    return [e.text for e in page.find_elements("css selector", selector) if e.is_displayed()]


def test_names_stay_text_and_nothing_is_fetched(page: Any) -> None:
    assert "owned" not in page.title.replace("document.title='owned'", "")
    assert page.find_elements("css selector", "img") == []
    assert EVIL in page.find_element("css selector", ".tree").text
    asked = [
        message["params"]["request"]["url"]
        for entry in page.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
        and message["params"]["documentURL"] == page.address
    ]
    assert asked == [page.address]
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_what_stands_where(page: Any) -> None:
    assert "operations" in page.find_element("css selector", ".figures").text
    headings = shown(page, "h2")
    assert headings == ["Findings", "Source", "Tree", "Sums", "Picture"]
    assert "log-of-softmax" in page.find_element("id", "findings").text
    assert any("log-of-softmax" in note for note in shown(page, ".source .note"))
    page.find_element("css selector", "nav a[href='#picture']").click()
    assert page.execute_script("return scrollY") > 0
    assert len(page.find_elements("css selector", ".graph g")) > 4


def test_search(page: Any) -> None:
    search = page.find_element("id", "search")
    search.send_keys("dot_general")
    found = shown(page, ".tree .match .label")
    assert found
    assert all("dot_general" in label for label in found)
    assert "match" in page.find_element("id", "status").text
    search.clear()
    search.send_keys("no such thing")
    assert page.find_element("id", "status").text == "0 matches"


def test_a_line_shows_its_equations_by_click_and_by_keyboard(page: Any) -> None:
    line = page.find_element("css selector", f"[data-show='{__file__}:{LINE}']")
    line.click()
    by_click = shown(page, ".tree .match .label")
    assert any("4 x dot_general f32[4,8] f32[8,8] -> f32[4,8]" in label for label in by_click)
    assert any("4 x tanh f32[4,8]" in label for label in by_click)
    assert not any("log" in label for label in by_click)
    line.click()
    assert page.find_element("id", "status").text == ""
    line.send_keys("\ue007")  # Enter
    assert shown(page, ".tree .match .label") == by_click
    page.find_element("css selector", "body").send_keys("\ue00c")  # Escape
    assert shown(page, ".tree .match .label") == []
