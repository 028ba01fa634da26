"""What is put in the place of what was found: the same mark for the same value within one conversation."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ondol.core.canonical import keyed_digest
from ondol.infrastructure.guard.policy import Action
from ondol.infrastructure.guard.types import Finding

MARK = re.compile(r"\[[A-Z][A-Z_]{0,40}_(?:\d{1,6}|[HT][a-p]{12})\]")
"""How a mark looks: the entity and a number, or ``H`` or ``T`` and a keyed hash in letters. Nothing is looked for inside of one, so it can hold no
more than six digits.
"""
MARK_CHARACTERS_MAX = 60
TOKEN_LETTERS = 12
KEPT_AT_END = 4
VALUES_MAX = 10_000
"""Distinct values that one conversation may number; more share the mark of the last."""

SENTENCE_CHARACTERS_MAX = 400
"""A sentence is looked for so far before and behind what was found in it."""

_SENTENCE_END = re.compile(r"[.!?。！？…][\"')\]»”’*_]{0,3}(?=\s)|\n")
_JSON_EDGE = re.compile(r"(?<!\\)\"|\\n")
"""In JSON a string is what a sentence can be no longer than."""
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_NOT_VALUE = re.compile(r"[^0-9a-z가-힣]+")


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement in a text: the span, half-open, in characters, and what takes its place."""

    start: int
    end: int
    replacement: str


@dataclass(slots=True)
class Marks:
    """The marks of one conversation.

    Attributes:
        key: the tenant's key for hashes and tokens, 32 bytes.
        keep: told of every new token and its value, so that a vault can keep them; None when tokens last for this conversation only.
        tokens: the values of the tokens given out here.
    """

    key: bytes
    keep: Callable[[str, str, str], None] | None = None
    tokens: dict[str, str] = field(default_factory=dict)
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def replacement(self, action: Action, finding: Finding, value: str) -> str:
        """What takes the place of a value."""
        entity = _entity(finding)
        match action:
            case "mask":
                return f"[{entity}_{self._number(entity, value)}]"
            case "keep_last_four":
                return keep_last_four(value)
            case "hash":
                return f"[{entity}_H{self._digest('hash', entity, value)}]"
            case "tokenise":
                return self._token(entity, value)
            case "escape":
                return html.escape(value)
            case _:
                return ""

    def restore(self, text: str) -> str:
        """A text with the tokens of this conversation turned back into their values."""
        if not self.tokens or "[" not in text:
            return text
        return MARK.sub(lambda mark: self.tokens.get(mark[0], mark[0]), text)

    def _number(self, entity: str, value: str) -> int:
        key = (entity, plain_value(value))
        number = self._numbers.get(key)
        if number is None:
            number = self._counts.get(entity, 0) + (1 if len(self._numbers) < VALUES_MAX else 0)
            self._counts[entity] = self._numbers[key] = max(1, number)
        return max(1, number)

    def _token(self, entity: str, value: str) -> str:
        token = f"[{entity}_T{self._digest('token', entity, value)}]"
        if token not in self.tokens and len(self.tokens) < VALUES_MAX:
            self.tokens[token] = value
            if self.keep is not None:
                self.keep(token, entity, value)
        return token

    def _digest(self, purpose: str, entity: str, value: str) -> str:
        named = keyed_digest(self.key, f"guard-{purpose}", f"{entity}\0{plain_value(value)}".encode("utf-8", "surrogatepass"))
        return named.hex()[:TOKEN_LETTERS].translate(_LETTERS)


def plain_value(value: str) -> str:
    """A value without what people write differently: case, spaces, dashes, full-width forms."""
    folded = unicodedata.normalize("NFKC", value).lower()
    return _NOT_VALUE.sub("", folded) or folded


def keep_last_four(value: str) -> str:
    """A value with all its letters and digits hidden but the last four, separators kept; a value of up to eight keeps none."""
    places = [place for place, char in enumerate(value) if char.isalnum()]
    kept = set(places[-KEPT_AT_END:]) if len(places) > 2 * KEPT_AT_END else set()
    return "".join("*" if char.isalnum() and place not in kept else char for place, char in enumerate(value))


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made. They must not overlap and be in order."""
    pieces: list[str] = []
    position = 0
    for edit in edits:
        pieces += (text[position : edit.start], edit.replacement)
        position = edit.end
    return "".join((*pieces, text[position:]))


def sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The span of the sentences that a span touches, the space behind them included, at most `SENTENCE_CHARACTERS_MAX` more on either side."""
    low, high = max(0, start - SENTENCE_CHARACTERS_MAX), min(len(text), end + SENTENCE_CHARACTERS_MAX)
    is_json = text[:SENTENCE_CHARACTERS_MAX].lstrip()[:1] in ("{", "[")
    first = max((mark.end() for mark in _SENTENCE_END.finditer(text, low, start + 1) if mark.end() <= start), default=low)
    # What was found may hold the end of its sentence already.
    at_end = _SENTENCE_END.search(text, max(start, end - 4), high)
    last = high if at_end is None else max(end, at_end.start() if at_end[0] == "\n" else at_end.end())
    if is_json:
        first = max((mark.end() for mark in _JSON_EDGE.finditer(text, low, start) if mark.end() > first), default=first)
        edge = _JSON_EDGE.search(text, end, last)
        last = last if edge is None else edge.start()
    while first < start and text[first].isspace():
        first += 1
    while last < high and text[last] == " ":
        last += 1
    return first, last


def mark_spans(text: str) -> list[tuple[int, int]]:
    """Where marks stand already."""
    return [mark.span() for mark in MARK.finditer(text)] if "[" in text else []


def _entity(finding: Finding) -> str:
    name = finding.entity or finding.rule.rpartition(".")[2] or finding.check
    return re.sub(r"[^A-Z]+", "_", name.upper()).strip("_")[:40] or "X"
