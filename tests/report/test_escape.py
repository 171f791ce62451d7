import unicodedata

import pytest
from hypothesis import given

from jaxkit.report import escape
from tests.strategies import any_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("train_step", "train_step"),
        ("größe θ 漢字 🙂", "größe θ 漢字 🙂"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\nb\r\tc\x7f\x9b", r"a\nb\r\tc\x7f\x9b"),
        ("\u202eevil\u2069", r"\u202eevil\u2069"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("two\u2028lines", r"two\u2028lines"),
        ("file\udcff.py", r"file\udcff.py"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_a_terminal_would_act_on_is_written_out(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(any_text)
def test_the_result_is_one_line_of_printable_text(text: str) -> None:
    shown = escape(text)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(character)[0] == "C" for character in shown) or any(
        unicodedata.category(character) in ("Cn", "Co") for character in shown
    )
