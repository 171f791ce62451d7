"""The examples of `jaxkit.training.fit` learn: shorter than their own `main`, and once each.

Not by default (tests/conftest.py): JAXKIT_ALL=1 in the environment takes it.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    module = load("digits")
    examples, validation, test = module.data()
    result = module.train(examples, validation, epochs=40)
    _, metrics = jax.jit(module.loss)(result.model, test)
    return result, float(metrics["accuracy"].mean())


def test_digits_are_recognised(digits: Any) -> None:
    _, accuracy = digits
    assert accuracy >= 0.97


def test_digits_compile_one_step_though_the_last_batch_is_smaller(digits: Any) -> None:
    result, _ = digits
    names = [event.function.name for event in result.compiles.events if event.compiled]
    assert names.count("train_step") == 1
    assert names.count("validation_step") == 1
    assert result.report.ok


@pytest.fixture(scope="module")
def characters() -> dict[str, Any]:
    module = load("characters")
    text = module.Text(module.read())
    result = module.train(text, steps=60)
    rows = [row for row in result.history if "validation_loss" in row]
    sample = module.write(result.model, text, "The function ", pieces=2)
    return {"module": module, "text": text, "result": result, "rows": rows, "sample": sample}


def test_characters_begin_at_a_guess_and_learn(characters: Any) -> None:
    text = characters["text"]
    single, pair = characters["module"].counted(text)
    guess = math.log(len(text.characters))
    losses = [row["validation_loss"] for row in characters["rows"]]
    assert pair < single < guess
    # More than how frequent each character is; pairs are beaten after some 120 steps.
    assert losses[-1] < single - 0.25
    assert characters["result"].report.ok


def test_a_model_that_has_learned_nothing_guesses(characters: Any) -> None:
    module, text = characters["module"], characters["text"]
    model = module.untrained(text)
    value = float(jax.jit(module.loss)(model, text.judged_by()[0]).mean())
    assert value == pytest.approx(math.log(len(text.characters)), abs=0.1)


def test_what_is_counted_is_a_distribution() -> None:
    module = load("characters")
    text = module.Text("ab" * 200)
    single, pair = module.counted(text)
    assert single == pytest.approx(math.log(2), abs=0.01)
    assert 0 < pair < 0.05


def test_characters_writes_text(characters: Any) -> None:
    sample = characters["sample"]
    assert sample.startswith("The function ")
    assert len(sample) == 13 + 2 * 51
    assert set(sample) <= set(characters["text"].characters)


def test_no_window_of_the_training_text_has_characters_of_the_validation(characters: Any) -> None:
    text = characters["text"]
    windows = np.concatenate([batch["tokens"] for batch in text.batches(0)])
    assert windows.shape == (50 * 16, 65)
    joined = "".join(text.decode(text.training))
    assert all(text.decode(window) in joined for window in windows[:20])
