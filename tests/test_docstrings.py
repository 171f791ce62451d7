"""The examples in the docstrings are true.

Every fourth file by default; JAXKIT_ALL=1 in the environment takes all.
"""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import jaxkit
from tests.part import part

ROOT = Path(jaxkit.__file__).parent
WITH_EXAMPLES = sorted(path for path in ROOT.rglob("*.py") if ">>>" in path.read_text("utf-8"))


@pytest.mark.usefixtures("settings_of_users")
@pytest.mark.parametrize(
    "path", part(WITH_EXAMPLES, 4), ids=lambda path: str(path.relative_to(ROOT))
)
def test_examples(path: Path) -> None:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    module = import_module(".".join(name for name in parts if name != "__init__"))
    failed, attempted = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert attempted
    assert not failed
