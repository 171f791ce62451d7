"""examples/quick_reference.py prints the right numbers, and its page says what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples" / "quick_reference.py").read_text("utf-8")
PAGE = (ROOT / "docs" / "quick_reference.md").read_text("utf-8")
# The page's blocks by language. What is measured is `text`: it is another on each machine.
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
CODE = [block for language, block in BLOCKS if language == "python"]
PRINTED = [block for language, block in BLOCKS if language == ""]


@pytest.fixture(scope="module")
def output() -> str:
    """What a run on four simulated devices prints."""
    ran = subprocess.run(
        [sys.executable, ROOT / "examples" / "quick_reference.py"],
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "4", "COLUMNS": "80"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Warning" not in ran.stderr
    return ran.stdout


def numbers(output: str, before: str) -> list[float]:
    """The numbers that stand behind some words, wherever they stand."""
    found = re.findall(re.escape(before) + r" *((?:-?\d[\d.,]* *)+)", output)
    assert found, before
    return [float(each.strip(",")) for text in found for each in text.split()]


# The numbers, against what is known of them without the program.


def test_both_models_find_the_true_weights(output: str) -> None:
    learned = numbers(output, "learned weights")
    assert learned == pytest.approx(2 * [1.5, -2.0, 3.0, 0.0], abs=0.04)
    assert numbers(output, "true weights") == [1.5, -2.0, 3.0, 0.0]
    assert numbers(output, "bias") == pytest.approx([0.5, 0.5, 0.5], abs=0.03)


def test_both_errors_are_that_of_the_noise(output: str) -> None:
    # 0.01 has a standard error of 0.01 sqrt(2 / 250); the targets vary by 1.5^2 + 4^2 + 1.5^2.
    assert numbers(output, "test MSE") == pytest.approx([0.01, 0.01], abs=0.003)
    assert numbers(output, "R^2") == pytest.approx(2 * [1 - 0.01 / 20.5], abs=0.0002)


def test_work_is_that_of_two_products(output: str) -> None:
    assert numbers(output, "loss and gradient:") == [2 * 2 * 1000 * 4]


def test_the_hessian_is_that_of_the_features(output: str) -> None:
    # 2 E[x^2] of features that vary by 1, 2, 0.5 and 1: from 0.5 to 8.
    found = re.search(r"eigenvalues ([\d.]+) to ([\d.]+)", output)
    assert found
    low, high = map(float, found.groups())
    assert (low, high) == (pytest.approx(0.5, rel=0.15), pytest.approx(8.0, rel=0.15))
    assert numbers(output, "condition number") == [pytest.approx(high / low, rel=0.03)]
    assert numbers(output, "below a rate of") == [pytest.approx(2 / high, rel=0.01)]
    assert "equal to 2 X'X / n: True" in output


def test_digits_are_those_of_single_precision(output: str) -> None:
    for text in ("correct digits of the gradient:", "correct digits:"):
        (digits,) = numbers(output, text)
        assert 4 < digits < 10


def test_a_wrong_target_moves_nothing_far(output: str) -> None:
    assert re.search(
        r"gradient's norm \d\.\d+e\+04: a step of \d\.?\d*e\+03, clipped 0\.1\n", output
    )


def test_four_devices_do_as_one(output: str) -> None:
    assert "# On 4 devices" in output
    assert numbers(output, "a device has") == [250]
    assert "equal to one device, to rounding: True" in output


# What the tools say.


def test_what_is_sound_is_said_to_be(output: str) -> None:
    assert "make_data is sound: True" in output
    assert "r_squared is sound: True" in output
    assert "predict: it means the same in every way" in output


def test_the_smaller_batch_is_found_and_padded(output: str) -> None:
    said = " ".join(output.split())
    assert "x and y changed shape: axis 0 took 2 sizes (128, 104)" in said
    assert "with the bucket: 1 compilation of train_step" in said


def test_each_mistake_is_found_on_its_line(output: str) -> None:
    lines = EXAMPLE.splitlines()
    for kind, line in (
        ("key-reuse", "NOISE * jax.random.normal(key, (rows,))"),
        ("cancellation", "jnp.mean(y * y) - jnp.mean(y) ** 2"),
        ("division-by-zero", "return jnp.sqrt(loss(params, x, y))"),
    ):
        found = re.search(rf"{kind}\s+\S*quick_reference\.py:(\d+)", output)
        assert found, kind
        assert line in lines[int(found[1]) - 1]


# The page.


@pytest.mark.parametrize("block", CODE)
def test_the_page_shows_the_example(block: str) -> None:
    assert block in EXAMPLE or textwrap.indent(block, "    ") in EXAMPLE


@pytest.mark.parametrize("block", PRINTED)
def test_the_page_shows_what_is_printed(block: str, output: str) -> None:
    printed = words(output)
    for piece in re.split(r"^\.\.\.\n", block, flags=re.MULTILINE):
        wanted = words(piece)
        places = range(len(printed) - len(wanted) + 1)
        assert any(all(map(alike, wanted, printed[i:])) for i in places), piece


def words(text: str) -> list[str]:
    """The words of a text, without what another run or another line break changes."""
    text = re.sub(r"[\d.]+\s+(?:ns|us|ms|s)\b", "TIME", text)
    text = re.sub(r"\S*?(\w+\.py)(:\d+)+", r"\1:LINE", text)
    return text.split()


def alike(word: str, other: str) -> bool:
    """Whether two words are equal, but for a twentieth of a number or for its last digits."""
    values = [re.findall(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?", each) for each in (word, other)]
    shapes = [re.sub(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?", "N", each) for each in (word, other)]
    if word == other or "%" in word:
        return word == other or "%" in other
    if shapes[0].lstrip("-") != shapes[1].lstrip("-") or not values[0]:
        return False
    pairs = [
        tuple(float(each.replace(",", "")) for each in pair) for pair in zip(*values, strict=True)
    ]
    return all(abs(a - b) <= max(0.05 * abs(a), 0.02) for a, b in pairs)
