"""Whether what a golden set asks already stands in other texts: in the documents of a base, or in data that a model is trained on.

Words that stand apart are counted in runs of eight, as PaLM's authors did (Chowdhery et al. 2022, section 8), whose border is taken over too: a
text counts as contained where 70 % of its runs are found. Korean is counted in runs of 13 characters without spaces: its words carry particles and
endings, so that the same sentence with another ending shares hardly a run of eight words; 13 syllables are about as long as five Korean words, and by
chance as rare. A text that is shorter than one run is contained where a whole line says the same and nothing else.

Only the runs of the golden set lie in memory; the other texts pass by one after the other, however many there are.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ondol.application.evaluation.golden.types import GoldenItem
from ondol.core.errors import RequestError
from ondol.core.language import detect_language

WORDS_OF_RUN = 8
CHARACTERS_OF_RUN = 13
SHARE_MIN = 0.7
PART_CHARACTERS_MAX = 20_000
"""Of a question or an answer, from its beginning."""
RUNS_MAX = 5_000_000
LINE_BYTES_MAX = 8 * 1024 * 1024
"""Of a line of a data set."""
PLACES_MAX = 3

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """An item of which a part stands elsewhere.

    Attributes:
        part: its question, or one of its right answers.
        share: of the runs of that part, 0 to 1.
        places: where most of them stand, at most `PLACES_MAX`.
    """

    item_id: str
    part: Literal["question", "expected"]
    share: float
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contamination:
    """What was found.

    Attributes:
        items, texts: how many were looked at.
        overlaps: the parts that are contained, by the order of the items.
        short: items whose question is shorter than one run, and was not found as a whole: of these little is known.
    """

    items: int
    texts: int
    overlaps: tuple[Overlap, ...]
    short: tuple[str, ...]

    @property
    def contaminated(self) -> tuple[str, ...]:
        """The items whose question stands elsewhere, in their order."""
        return tuple(dict.fromkeys(one.item_id for one in self.overlaps if one.part == "question"))


@dataclass(slots=True)
class _Part:
    """A question or an answer, and what was found of it so far."""

    item_id: str
    name: Literal["question", "expected"]
    runs: int
    found: set[str] = field(default_factory=set)
    places: list[tuple[int, str]] = field(default_factory=list)


def look_for(items: Iterable[GoldenItem], texts: Iterable[tuple[str, str]], *, share_min: float = SHARE_MIN) -> Contamination:
    """Look for the questions and right answers of items in other texts.

    Args:
        texts: pairs of a name and a text; taken one at a time.
        share_min: of the runs of a part that must be found for it to count as contained.

    Raises:
        RequestError: when the items hold more runs than are kept in memory.
    """
    parts, count = _parts_of(items)
    runs: dict[str, list[_Part]] = {}
    whole: dict[str, list[_Part]] = {}
    for part, text in parts:
        _index(part, text, runs, whole)
        if len(runs) > RUNS_MAX:
            raise RequestError(f"The items hold more than {RUNS_MAX:,} runs of words.", "Look for a part of the set at a time.", code="too_many_runs")
    words = any(" " in run for run in runs)
    syllables = any(" " not in run for run in runs)
    seen = 0
    for name, text in texts:
        seen += 1
        _look_into(name, text, runs, whole, words=words, syllables=syllables)
    overlaps = [_overlap(part) for part, _ in parts if part.runs and len(part.found) >= share_min * part.runs and part.found]
    named = {overlap.item_id for overlap in overlaps if overlap.part == "question"}
    short = [part.item_id for part, text in parts if part.name == "question" and part.item_id not in named and not _runs(text)]
    return Contamination(count, seen, tuple(overlaps), tuple(short))


def texts_of_jsonl(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Every text in files of JSON Lines, wherever it stands in a record, by file and line.

    Raises:
        RequestError: when a line is no JSON or too long, or a file cannot be read.
    """
    for path in paths:
        try:
            with path.open("rb") as file:
                number = 0
                while line := file.readline(LINE_BYTES_MAX + 1):
                    number += 1
                    place = f"{path.name}:{number}"
                    if len(line) > LINE_BYTES_MAX:
                        raise RequestError(f"{place}: the line has more than {LINE_BYTES_MAX:,} bytes.", code="bad_dataset", param="file")
                    if line.strip():
                        yield place, "\n".join(_strings(_parsed(place, line)))
        except OSError as error:
            raise RequestError(f"{path} cannot be read: {error.strerror}.", code="bad_dataset", param="file") from None


def _parts_of(items: Iterable[GoldenItem]) -> tuple[list[tuple[_Part, str]], int]:
    """What is looked for: each question, and each right answer that is at least one run long; a shorter one, such as "7 days", stands anywhere."""
    parts: list[tuple[_Part, str]] = []
    count = 0
    for item in items:
        count += 1
        parts.append((_Part(item.id, "question", 0), item.question[:PART_CHARACTERS_MAX]))
        for expected in item.expected:
            if _runs(expected[:PART_CHARACTERS_MAX]):
                parts.append((_Part(item.id, "expected", 0), expected[:PART_CHARACTERS_MAX]))
    return parts, count


def _index(part: _Part, text: str, runs: dict[str, list[_Part]], whole: dict[str, list[_Part]]) -> None:
    own = _runs(text)
    part.runs = max(1, len(own))
    for run in own:
        runs.setdefault(run, []).append(part)
    if not own and (plain := _plain(text)):
        whole.setdefault(plain, []).append(part)


def _look_into(name: str, text: str, runs: dict[str, list[_Part]], whole: dict[str, list[_Part]], *, words: bool, syllables: bool) -> None:
    here: dict[int, tuple[_Part, int]] = {}
    found: set[str] = set()
    if words:
        found.update(run for run in _word_runs(text) if run in runs)
    if syllables:
        found.update(run for run in _character_runs(text) if run in runs)
    if whole:
        found.update(plain for line in text.splitlines() if (plain := _plain(line)) in whole)
    for run in found:
        for part in (*runs.get(run, ()), *whole.get(run, ())):
            part.found.add(run)
            here[id(part)] = (part, here.get(id(part), (part, 0))[1] + 1)
    for part, hits in here.values():
        part.places = sorted([*part.places, (-hits, name)])[:PLACES_MAX]


def _runs(text: str) -> set[str]:
    """The runs of a text by its own language."""
    return set(_character_runs(text) if detect_language(text) == "ko" else _word_runs(text))


def _word_runs(text: str) -> Iterator[str]:
    words = _WORD.findall(_folded(text))
    return (" ".join(words[start : start + WORDS_OF_RUN]) for start in range(len(words) - WORDS_OF_RUN + 1))


def _character_runs(text: str) -> Iterator[str]:
    joined = "".join(_WORD.findall(_folded(text)))
    return (joined[start : start + CHARACTERS_OF_RUN] for start in range(len(joined) - CHARACTERS_OF_RUN + 1))


def _plain(text: str) -> str:
    """A line without what is no letter or digit. The mark before it keeps whole lines and runs apart."""
    joined = "".join(_WORD.findall(_folded(text)))
    return "=" + joined if joined else ""


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _overlap(part: _Part) -> Overlap:
    return Overlap(part.item_id, part.name, len(part.found) / part.runs, tuple(name for _, name in part.places))


def _parsed(place: str, line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError(f"{place}: this is no JSON.", "A data set is JSON Lines in UTF-8.", code="bad_dataset", param="file") from None


def _strings(value: object) -> Iterator[str]:
    """The texts in a record, in their order; without recursion, however deep they lie."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting.extend(reversed(list(one.values())))
        elif isinstance(one, list):
            waiting.extend(reversed(one))
