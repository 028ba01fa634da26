"""Message catalogues and the choice of a language: ``?lang=``, then the cookie, then Accept-Language, then Korean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal, get_args

from starlette.requests import Request

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LANGUAGE_COOKIE = "ondol_language"
LANGUAGE_COOKIE_SECONDS = 365 * 24 * 3600
ACCEPTED_LANGUAGES_MAX = 20

Catalogue = Mapping[str, str]


def load_catalogues() -> dict[Language, Catalogue]:
    """Both catalogues: flat keys, texts with ``{named}`` places. Each part of the console has a file of its own in the folder of a language."""
    folder = files(__package__) / "messages"
    return {language: _merged(folder / language) for language in LANGUAGES}


def _merged(folder: Traversable) -> Catalogue:
    found: dict[str, str] = {}
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".json"):
            told = json.loads(file.read_text("utf-8"))
            if twice := found.keys() & told.keys():
                raise ValueError(f"{file.name} tells again: {', '.join(sorted(twice))}")
            found |= told
    return found


def translate(catalogue: Catalogue, key: str, values: Mapping[str, object]) -> str:
    """The text of a key with its places filled. Filled values are plain text: the template escapes the whole.

    Raises:
        KeyError: the key or a place is unknown: a mistake in the code, which a test finds.
    """
    text = catalogue[key]
    return text.format_map(values) if values else text


def asked_language(request: Request) -> Language | None:
    """The language that ``?lang=`` asks for, if it is one of ours."""
    return _known(request.query_params.get("lang", ""))


def choose_language(request: Request) -> Language:
    """The language of the answer to this request."""
    return (
        asked_language(request) or _known(request.cookies.get(LANGUAGE_COOKIE, "")) or _accepted(request.headers.get("accept-language", "")) or "ko"
    )


def other_language(language: Language) -> Language:
    """The one that the header offers to switch to."""
    return "en" if language == "ko" else "ko"


def _known(text: str) -> Language | None:
    return next((language for language in LANGUAGES if language == text), None)


def _accepted(header: str) -> Language | None:
    """The best of ours in an Accept-Language header (RFC 9110, 12.5.4); None when it names none."""
    ranked: list[tuple[float, int, Language]] = []
    for position, part in enumerate(header.split(",")[:ACCEPTED_LANGUAGES_MAX]):
        tag, _, parameters = part.partition(";")
        language = _known(tag.strip().lower().partition("-")[0])
        weight = _weight(parameters)
        if language is not None and weight > 0:
            ranked.append((-weight, position, language))
    return min(ranked)[2] if ranked else None


def _weight(parameters: str) -> float:
    name, _, number = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(number)
    except ValueError:
        return 0.0
