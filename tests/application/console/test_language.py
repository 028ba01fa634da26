"""Catalogues: complete, equal in their places, used; and the choice of a language."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from ondol.application.console.language import LANGUAGES, choose_language, load_catalogues

CONSOLE = Path(str(files("ondol.application.console")))
CODE = [*CONSOLE.glob("*.py"), *CONSOLE.glob("sections/*.py"), *CONSOLE.glob("templates/*.html"), *CONSOLE.glob("static/*.js")]


def request(query: str = "", cookie: str = "", accept: str = "") -> Request:
    headers = [(b"cookie", f"ondol_language={cookie}".encode())] if cookie else []
    headers += [(b"accept-language", accept.encode("latin-1", "replace"))] if accept else []
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": headers})


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_catalogues_have_the_same_keys_and_places() -> None:
    korean, english = (load_catalogues()[language] for language in ("ko", "en"))
    assert list(korean) == list(english)
    assert {key: places(text) for key, text in korean.items()} == {key: places(text) for key, text in english.items()}
    assert all(text.strip() == text and text for catalogue in (korean, english) for text in catalogue.values())


def test_korean_is_korean_and_english_is_not() -> None:
    catalogues = load_catalogues()
    switches = {"frame.switch_language", "frame.switch_language_label"}
    hangul = re.compile("[가-힣]")
    assert [key for key, text in catalogues["en"].items() if hangul.search(text) and key not in switches] == []
    only_places = {key for key, text in catalogues["ko"].items() if not hangul.search(re.sub(r"\{\w+\}", "", text))}
    assert only_places - switches == set()


def test_every_message_is_used_and_every_used_one_exists() -> None:
    keys = set(load_catalogues()["ko"])
    areas = "|".join({key.partition(".")[0] for key in keys})
    quoted = re.compile(rf"""["']((?:{areas})\.(?!(?:css|js|html|csv)[\"'])[a-z_.]*[a-z])["']""")
    found = {key for path in CODE for key in quoted.findall(path.read_text("utf-8"))}
    assert found == keys


@pytest.mark.parametrize(
    ("query", "cookie", "accept", "language"),
    [
        ("lang=en", "ko", "ko", "en"),
        ("lang=xx", "en", "ko", "en"),
        ("", "xx", "en-GB,en;q=0.9,ko;q=0.8", "en"),
        ("", "", "fr, ko-KR;q=0.5, en;q=0.7", "en"),
        ("", "", "en;q=0, ko", "ko"),
        ("", "", "ja", "ko"),
        ("", "", "", "ko"),
        ("", "", "en;q=nonsense", "ko"),
    ],
)
def test_language_from_address_then_cookie_then_browser(query: str, cookie: str, accept: str, language: str) -> None:
    assert choose_language(request(query, cookie, accept)) == language


@given(st.text(st.characters(max_codepoint=255), max_size=200))
def test_any_header_gives_a_language(accept: str) -> None:
    assert choose_language(request(accept=accept)) in LANGUAGES
