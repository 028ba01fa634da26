"""Sentences to train the entity tagger on: written from templates, and read from public data."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Example:
    """A text with the spans that are known of it. Outside of them nothing is an entity, except in `unknown`, where anything may be."""

    text: str
    spans: tuple[tuple[int, int, str], ...]
    unknown: tuple[tuple[int, int], ...] = field(default=())


Piece = tuple[str, str | None]
Filler = Callable[[], Piece]

_SLOT = re.compile(r"\{(\w+)\}|\[([^\]/]+)/([^\]]+)\]")


def fill(template: str, fillers: dict[str, Filler]) -> Example:
    """A template with its slots filled, and particles that agree with what stands before them."""
    out, spans, last = "", [], 0
    for match in _SLOT.finditer(template):
        out += template[last : match.start()]
        last = match.end()
        if match[1]:
            text, label = fillers[match[1]]()
            if label and text:
                spans.append((len(out), len(out) + len(text), label))
            out += text
        else:
            out += match[2] if _closed(out[-1:]) else match[3]
    return Example(out + template[last:], tuple(spans))


def _closed(char: str) -> bool:
    return (bool(char) and "가" <= char <= "힣" and (ord(char) - 0xAC00) % 28 > 0) or char in "013678"


def joined(examples: list[Example], separator: str) -> Example:
    """Several examples as one text."""
    text, spans = "", []
    for index, example in enumerate(examples):
        text += separator if index else ""
        spans += [(start + len(text), end + len(text), label) for start, end, label in example.spans]
        text += example.text
    return Example(text, tuple(spans))


def read_words(name: str) -> dict[str, Any]:
    """A file of words and templates beside this one."""
    loaded: dict[str, Any] = yaml.safe_load((HERE / name).read_text("utf-8"))
    return loaded


class Shared:
    """Things that stand in texts of both languages and that rules find, not the tagger."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def digits(self, pattern: str) -> str:
        """A pattern with each # a digit."""
        return "".join(str(self.rng.randrange(10)) if char == "#" else char for char in pattern)

    def choice(self, *options: str) -> str:
        """One of the patterns, its signs made digits."""
        return self.digits(self.rng.choice(options))

    def number(self) -> str:
        """A number of one to five digits."""
        return str(self.rng.randrange(1, 10 ** self.rng.randrange(1, 6)))

    def ip(self) -> str:
        """An IPv4 address."""
        return ".".join(str(self.rng.randrange(1, 255)) for _ in range(4))


def unlabelled(make: Callable[[], str]) -> Filler:
    """A filler of text that is nothing."""
    return lambda: (make(), None)


KLUE_LABELS = {"PS": "PERSON", "LC": "LOCATION", "OG": "ORGANISATION"}


def read_klue(file: Path) -> list[Example]:
    """The sentences of KLUE-NER (CC BY-SA 4.0): one character and its tag on each line, an empty line between sentences."""
    examples: list[Example] = []
    for block in file.read_text("utf-8").split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n") if "\t" in line and not line.startswith("##")]
        text, spans, begin, label = "", [], -1, ""
        for char, tag in [*((row[0], row[1]) for row in rows), ("", "O")]:
            if begin >= 0 and not tag.startswith("I-"):
                if label in KLUE_LABELS:
                    spans.append((begin, len(text), KLUE_LABELS[label]))
                begin = -1
            if tag.startswith("B-"):
                begin, label = len(text), tag[2:]
            text += char or " " if char != "" else ""
        if text:
            examples.append(Example(text, tuple(spans)))
    return examples


def read_plain_korean(file: Path) -> list[Example]:
    """Sentences of KLUE-DP (CC BY-SA 4.0) with their proper nouns as unknown and all else known as nothing."""
    examples: list[Example] = []
    for block in file.read_text("utf-8").split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n") if line and not line.startswith("##")]
        text, unknown = "", []
        for row in rows:
            text += " " if text else ""
            if "NNP" in row[3] or "SL" in row[3] or "SN" in row[3]:
                unknown.append((len(text), len(text) + len(row[1])))
            text += row[1]
        if text:
            examples.append(Example(text, (), tuple(unknown)))
    return examples


def read_nouns(file: Path) -> list[str]:
    """Common nouns of KLUE-DP (CC BY-SA 4.0), as they stand in its lemmas, each once, in order."""
    nouns: dict[str, None] = {}
    for line in file.read_text("utf-8").splitlines():
        row = line.split("\t")
        if line.startswith("##") or len(row) < 4:
            continue
        for part, tag in zip(row[2].split(" "), row[3].split("+"), strict=False):
            if tag == "NNG" and len(part) > 1 and all("가" <= char <= "힣" for char in part):
                nouns[part] = None
    return list(nouns)


_DOUBTFUL = re.compile(r"\b[A-ZÀ-Þ]\w*(?:['’]\w+)*|\b[\d/.,-]*\d{4}[\d/.,-]*")
_WORD = re.compile(r"\b[a-z]{2,}\b")
ORDINARY_MIN = 3


def read_plain_english(texts: list[str]) -> list[Example]:
    """Ordinary English with its capitalised words and years as unknown, except words that the same texts often write small."""
    seen = Counter(word for text in texts for word in _WORD.findall(text))
    examples: list[Example] = []
    for text in texts:
        doubtful = [match.span() for match in _DOUBTFUL.finditer(text) if seen[match[0].lower()] < ORDINARY_MIN]
        examples.append(Example(text, (), tuple(doubtful)))
    return examples


def in_lower_case(example: Example) -> Example:
    """The example as people type who never press shift; its length stays."""
    text = "".join(char.lower() if len(char.lower()) == 1 else char for char in example.text)
    return Example(text, example.spans, example.unknown)


def with_line_marks(example: Example, mark: str) -> Example:
    """The example with a mark such as > before each line, spans kept whole across lines."""
    places = [index for index, char in enumerate(example.text) if char == "\n"]

    def moved(place: int) -> int:
        return place + len(mark) * (1 + sum(at < place for at in places))

    text = mark + example.text.replace("\n", "\n" + mark)
    spans = tuple((moved(start), moved(end - 1) + 1, label) for start, end, label in example.spans)
    return Example(text, spans, tuple((moved(start), moved(end - 1) + 1) for start, end in example.unknown))
