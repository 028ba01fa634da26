"""Word's styles and numbering: which paragraph is a heading, which a list item, and what its number reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

from ondol.application.knowledge.parsing.docx_package import attribute, child, local, switched_on

STYLE_CHAIN_MAX = 20
"""So many "based on" steps are followed (they may form a circle)."""

LEVELS_MAX = 9
"""Word's own number of outline and list levels."""

_HEADING_NAME = re.compile(r"(?:heading|제목|개요)\s{0,3}([1-9])", re.IGNORECASE)
_CODE_NAME = re.compile(r"(?:source\s?code|code(?:\s?block)?|html preformatted|plain text code|macro text|preformatted text)", re.IGNORECASE)
_QUOTE_NAMES = frozenset({"quote", "intense quote", "인용", "강한 인용"})
LETTERS_MAX = 26 * 20
ROMAN_MAX = 3_999
CIRCLED_MAX = 20
"""Larger numbers are written as decimal ones."""

_SYLLABLES = "가나다라마바사아자차카타파하"
_CONSONANTS = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ"
_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L")),
    *((40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)


@dataclass(frozen=True, slots=True)
class Style:
    """What of a paragraph style matters here, its ancestors' properties included."""

    heading_level: int = 0
    is_title: bool = False
    is_code: bool = False
    is_quote: bool = False
    hidden: bool = False
    number_id: str | None = None
    number_level: int = 0


@dataclass(frozen=True, slots=True)
class NumberLevel:
    """One level of a list definition: ``numFmt``, ``lvlText`` and ``start``."""

    number_format: str
    text: str
    start: int


def read_styles(root: ElementTree.Element | None) -> dict[str, Style]:
    """Styles by id."""
    found = {attribute(node, "styleId") or "": node for node in (root if root is not None else ()) if local(node) == "style"}
    return {style_id: _style(_chain(style_id, found)) for style_id in found}


def _chain(style_id: str, found: dict[str, ElementTree.Element]) -> list[ElementTree.Element]:
    """A style and those that it is based on, nearest first."""
    chain: list[ElementTree.Element] = []
    current = found.get(style_id)
    while current is not None and len(chain) < STYLE_CHAIN_MAX:
        chain.append(current)
        current = found.get(attribute(child(current, "basedOn")) or "")
    return chain


def _style(chain: list[ElementTree.Element]) -> Style:
    names = [(attribute(child(node, "name")) or "").strip() for node in chain]
    heading_level = 0
    for name, node in zip(names, chain, strict=True):
        match = _HEADING_NAME.fullmatch(name)
        outline = whole_number(attribute(child(node, "pPr", "outlineLvl")))
        if match is not None or (outline is not None and outline < LEVELS_MAX):
            heading_level = int(match[1]) if match is not None else (outline or 0) + 1
            break
    number = next((n for n in (child(node, "pPr", "numPr") for node in chain) if n is not None), None)
    return Style(
        heading_level=heading_level,
        is_title=bool(names) and names[0].lower() in ("title", "제목"),
        is_code=any(_CODE_NAME.fullmatch(name) for name in names),
        is_quote=any(name.lower() in _QUOTE_NAMES for name in names),
        hidden=any(switched_on(child(node, "rPr", "vanish")) for node in chain),
        number_id=attribute(child(number, "numId")),
        number_level=whole_number(attribute(child(number, "ilvl"))) or 0,
    )


def whole_number(value: str | None) -> int | None:
    """A small whole number as Word writes it, or None."""
    return int(value) if value is not None and re.fullmatch("[0-9]{1,6}", value) else None


class Numbering:
    """Counts the items of all lists of a document, as Word does when it shows them."""

    def __init__(self, root: ElementTree.Element | None) -> None:
        self._levels: dict[str, dict[int, NumberLevel]] = {}  # by list id
        self._group: dict[str, str] = {}  # lists that count together, by list id
        self._counts: dict[str, dict[int, int]] = {}  # by group
        self._restarts: dict[str, dict[int, int]] = {}  # starts that a list sets for itself; used up once
        abstract = {attribute(node, "abstractNumId"): _levels(node) for node in (root if root is not None else ()) if local(node) == "abstractNum"}
        for node in root if root is not None else ():
            number_id = attribute(node, "numId")
            if local(node) != "num" or number_id is None:
                continue
            abstract_id = attribute(child(node, "abstractNumId"))
            levels = dict(abstract.get(abstract_id, {}))
            for override in node:
                level = whole_number(attribute(override, "ilvl"))
                if local(override) != "lvlOverride" or level is None:
                    continue
                levels.update(_levels(override))
                start = whole_number(attribute(child(override, "startOverride")))
                if start is not None:
                    self._restarts.setdefault(number_id, {})[level] = start
            self._levels[number_id] = levels
            self._group[number_id] = abstract_id or number_id

    def next_label(self, number_id: str, level: int) -> str | None:
        """What stands before the next item of a list: ``-`` for bullets, ``""`` for a list without numbers, None for no list."""
        if number_id == "0" or number_id not in self._levels:
            return None
        levels = self._levels[number_id]
        level = min(level, LEVELS_MAX - 1)
        definition = levels.get(level, NumberLevel("bullet", "", 1))
        counts = self._counts.setdefault(self._group[number_id], {})
        restart = self._restarts.get(number_id, {}).pop(level, None)
        start = definition.start if restart is None else restart
        counts[level] = start if restart is not None or level not in counts else counts[level] + 1
        for deeper in [known for known in counts if known > level]:
            del counts[deeper]
        if definition.number_format == "none":
            return ""
        if definition.number_format == "bullet":
            return "-"
        return self._fill(definition.text, levels, counts)

    @staticmethod
    def _fill(template: str, levels: dict[int, NumberLevel], counts: dict[int, int]) -> str:
        def number(match: re.Match[str]) -> str:
            level = int(match[1]) - 1
            definition = levels.get(level, NumberLevel("decimal", "", 1))
            return _NUMBER_FORMATS.get(definition.number_format, _decimal)(counts.get(level, definition.start))

        return re.sub("%([1-9])", number, template[:100]).strip()


def _levels(node: ElementTree.Element) -> dict[int, NumberLevel]:
    levels: dict[int, NumberLevel] = {}
    for entry in node:
        level = whole_number(attribute(entry, "ilvl"))
        if local(entry) == "lvl" and level is not None:
            start = whole_number(attribute(child(entry, "start")))
            levels[level] = NumberLevel(
                attribute(child(entry, "numFmt")) or "decimal", attribute(child(entry, "lvlText")) or "", 1 if start is None else start
            )
    return levels


def _decimal(number: int) -> str:
    return str(number)


def _letters(number: int) -> str:
    """A, B, ... Z, AA, BB: Word repeats the letter."""
    return chr(65 + (number - 1) % 26) * ((number - 1) // 26 + 1) if 1 <= number <= LETTERS_MAX else str(number)


def _roman(number: int) -> str:
    if not 1 <= number <= ROMAN_MAX:
        return str(number)
    text = ""
    for value, letters in _ROMAN:
        text += letters * (number // value)
        number %= value
    return text


def _circled(number: int) -> str:
    return chr(0x2460 + number - 1) if 1 <= number <= CIRCLED_MAX else str(number)


_NUMBER_FORMATS: dict[str, Callable[[int], str]] = {
    "lowerLetter": lambda number: _letters(number).lower(),
    "upperLetter": _letters,
    "lowerRoman": lambda number: _roman(number).lower(),
    "upperRoman": _roman,
    "ganada": lambda number: _SYLLABLES[(number - 1) % len(_SYLLABLES)],
    "chosung": lambda number: _CONSONANTS[(number - 1) % len(_CONSONANTS)],
    "decimalEnclosedCircle": _circled,
    "decimalZero": lambda number: f"{number:02d}",
}
