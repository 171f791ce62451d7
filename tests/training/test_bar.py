"""The bar: on a terminal only, on stderr only."""

from __future__ import annotations

import pytest

from jaxkit.training import fit
from tests.training.problem import adam, batches, each, model


def test_shown_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    fit(model(), each, batches(), adam(), epochs=2, progress=True)
    told = capsys.readouterr()
    assert told.out == ""
    assert "epoch 1  loss 0." in told.err or "epoch 1  loss " in told.err
    assert "8/8" in told.err


def test_not_shown_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fit(model(), each, batches(), adam(), epochs=2)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")
