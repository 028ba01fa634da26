from __future__ import annotations

import pytest

from ondol.infrastructure.guard.checks.active import ActiveCheck, escaped, stripped
from ondol.infrastructure.guard.text import GuardText


@pytest.mark.parametrize(
    ("text", "kind"), [("<script>x", "SCRIPT"), ("<img src=x onerror=f()>", "SCRIPT"), ("' OR '1'='1", "SQL"), ("; cat /etc/passwd", "SHELL")]
)
def test_found(text: str, kind: str) -> None:
    assert kind in {item.entity for item in ActiveCheck().find(GuardText(text))}


@pytest.mark.parametrize("text", ["how do I use <div>?", "SELECT id FROM t WHERE a = 1 은 왜 느린가요?"])
def test_honest_questions_pass(text: str) -> None:
    assert ActiveCheck().find(GuardText(text)) == []


def test_code_is_marked_and_changes() -> None:
    found = ActiveCheck().find(GuardText("why? ```\n<script>\n```"))
    assert [(item.reason, item.confidence < 0.5) for item in found] == [("in code", True)]
    assert (stripped("a<b>c", [(1, 4), (2, 3)]), escaped("a<b>c", [(1, 4)])) == ("ac", "a&lt;b&gt;c")
