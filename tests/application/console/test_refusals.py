"""The words of refusals."""

from __future__ import annotations

from pathlib import Path

import ondol
from ondol.application.console.refusals import WORDS


def test_each_code_that_has_words_is_one_that_something_gives() -> None:
    root = Path(ondol.__file__).parent
    code = "\n".join(path.read_text("utf-8") for path in root.rglob("*.py") if path.name != "refusals.py" or path.parent.name != "console")
    assert [word for word in WORDS if f'"{word}"' not in code] == []
