"""Reads a judge's reply: one JSON object, whatever stands around it.

Models put JSON into fences, think aloud before it, and leave commas behind; that is read over. What is not read over is doubt: a reply that holds
two verdicts which differ holds none, for one of them may be quoted from what was judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

REPLY_CHARACTERS_MAX = 40_000
OBJECTS_MAX = 200
REASON_CHARACTERS_MAX = 1_000

Verdict = TypeVar("Verdict")
Word = TypeVar("Word", bound=str)

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_COMMA_LEFT = re.compile(r",(\s*[}\]])")


class Unreadable(Exception):
    """A reply holds no verdict; the message says why, for the judge and for people."""


def read_reply(reply: str, read: Callable[[Mapping[str, Any]], Verdict]) -> Verdict:
    """The one verdict in a reply.

    Args:
        read: makes a verdict of an object.

    Raises:
        Unreadable: when there is none, or more than one.
    """
    if len(reply) > REPLY_CHARACTERS_MAX:
        raise Unreadable(f"the reply has more than {REPLY_CHARACTERS_MAX:,} characters")
    found: list[tuple[Mapping[str, Any], Verdict]] = []
    why = "there is no JSON object in it"
    for told in _objects(_THOUGHT.sub("", reply)):
        try:
            found.append((told, read(told)))
        except Unreadable as error:
            why = str(error)
    if not found:
        raise Unreadable(why)
    if any(told != found[0][0] for told, _ in found):
        raise Unreadable("it holds two verdicts that differ")
    return found[0][1]


def whole_points(told: Mapping[str, Any], field: str, least: int, most: int) -> int:
    """A whole number of a reply: `4`, `4.0` or `"4"`.

    Raises:
        Unreadable: when it is none, or out of range.
    """
    value = told.get(field)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value.strip()) <= 3:
        value = int(value.strip())
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Unreadable(f"`{field}` is not a whole number from {least} to {most}")
    return value


def one_of(told: Mapping[str, Any], field: str, words: Mapping[str, Word]) -> Word:
    """A word of a reply, in any case.

    Args:
        words: what may stand there, and what it means.

    Raises:
        Unreadable: when it is none of them.
    """
    value = told.get(field)
    meant = words.get(value.strip().lower()) if isinstance(value, str) else None
    if meant is None:
        raise Unreadable(f"`{field}` is none of {', '.join(words)}")
    return meant


def reason_in(told: Mapping[str, Any]) -> str:
    """Why the judge says so, in its words; empty where it does not tell."""
    value = told.get("reason")
    return " ".join(value.split())[:REASON_CHARACTERS_MAX] if isinstance(value, str) else ""


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """The outermost JSON objects of a text, in order."""
    decoder = json.JSONDecoder(object_pairs_hook=_without_doubles)
    place = text.find("{")
    for _ in range(OBJECTS_MAX):
        if place < 0:
            return
        value, length = _decoded(decoder, text[place:])
        if isinstance(value, dict):
            yield value
        place = text.find("{", place + max(1, length))


def _decoded(decoder: json.JSONDecoder, text: str) -> tuple[object, int]:
    """What begins a text, and how long it is; a second look without commas that lead to nothing."""
    try:
        return decoder.raw_decode(text)
    except (ValueError, RecursionError):
        pass
    mended = _COMMA_LEFT.sub(r" \1", text)
    try:
        return decoder.raw_decode(mended)
    except (ValueError, RecursionError):
        return None, 1


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a key stands twice")
    return told
