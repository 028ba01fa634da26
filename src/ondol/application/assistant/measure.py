"""How well each quotable unit of the evidence fits a question, as named figures between about 0 and 1."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from ondol.application.assistant.candidates import Span, Unit, read_units
from ondol.application.assistant.figures import has_kind
from ondol.application.assistant.lexicon import Group
from ondol.application.assistant.question import Asked, Term
from ondol.application.assistant.words import Reading, find_korean, find_stems, read
from ondol.application.knowledge.language import detect_language
from ondol.application.knowledge.search import Evidence

NEAR_SHARE = 0.8
"""What a word counts that is met by another word for it."""
TYPICAL_CHARACTERS = 60
"""A sentence of this length is neither short nor long."""
LENGTH_MIN = 10

_Place = tuple[int, float]
"""Where a term is met, in characters, and how well."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that may be quoted, and how it fits.

    Attributes:
        source: index of its passage in the evidence.
        met: for each term of the question, how well the unit itself meets it, in [0, 1].
        around: the same for the unit together with its headings, title and section.
        passage: the same for the whole passage with its title.
        figures: see `FIGURES`, in that order.
    """

    source: int
    unit: Unit
    text: str
    met: tuple[float, ...]
    around: tuple[float, ...]
    passage: tuple[float, ...]
    figures: tuple[float, ...]


FIGURES = (
    "own",  # the share of the question's weight that the unit meets
    "beside",  # what else its neighbours in the section meet
    "heading",  # what else the nearest heading and the sentence before the list or table meet
    "title",  # what else the title and the headings of the passage meet
    "section",  # what else the rest of the section meets
    "passage",  # what else the rest of the passage meets
    "rank",  # the passage's BM25 score, of the best passage's
    "first_rank",  # whether it is the best passage
    "kinds",  # the share of the kinds of things asked for that the unit holds
    "no_kind",  # whether it holds none although some are asked for
    "verdict",  # whether it permits, forbids or denies, where that is asked
    "language",  # whether it is in the question's language
    "row",
    "item",
    "list",
    "length",  # logarithm of its length in typical sentences
    "dense",  # `own` by the square root of its length
    "best_term",  # the weightiest term that it meets
    "focus",  # as `own`, for the words nearest to what is asked
)


def measure(asked: Asked, evidence: Sequence[Evidence]) -> list[Candidate]:
    """All that may be quoted of all passages, in reading order.

    Args:
        evidence: passages, best first.
    """
    best = max((found.hit.score for found in evidence), default=0.0) or 1.0
    asks_command = any("command" in kinds for kinds in asked.wanted)
    candidates: list[Candidate] = []
    for source, found in enumerate(evidence):
        passage = _read_passage(asked, found, found.hit.score / best, is_first=source == 0)
        for order, unit in enumerate(passage.units):
            if unit.kind == "code" and not asks_command:
                continue
            candidates.append(_measure_unit(asked, source, passage, order, unit, found.text[unit.start : unit.end]))
    return candidates


@dataclass(frozen=True, slots=True)
class _PassageReading:
    """What is measured once for a passage.

    Attributes:
        met: for each span of interest how well it meets each term.
        title: the same for the title and the headings of the passage; `whole` for the passage with them.
    """

    text: str
    units: tuple[Unit, ...]
    met: Mapping[Span, tuple[float, ...]]
    title: tuple[float, ...]
    whole: tuple[float, ...]
    rank: float
    is_first: bool
    language: float


def _read_passage(asked: Asked, found: Evidence, rank: float, *, is_first: bool) -> _PassageReading:
    reading = read(found.text)
    units = read_units(found)
    places = _places(asked, reading)
    title = tuple(_best(held) for held in _places(asked, read("\n".join([found.version.details.title, *found.headings]))))
    whole = tuple(max(_best(held), in_title) for held, in_title in zip(places, title, strict=True))
    spans = {span for unit in units for span in ((unit.start, unit.end), unit.section, unit.heading, unit.lead)}
    met = {span: tuple(_within(held, *span) for held in places) for span in spans}
    return _PassageReading(reading.text, units, met, title, whole, rank, is_first, float(detect_language(found.text) == asked.language))


def _measure_unit(asked: Asked, source: int, passage: _PassageReading, order: int, unit: Unit, quoted: str) -> Candidate:
    text = passage.text[unit.start : unit.end]
    shares = asked.shares
    met = passage.met[unit.start, unit.end]
    beside = met
    for other in _neighbours(passage.units, order):
        if other.section == unit.section:
            beside = _either(beside, passage.met[other.start, other.end])
    heading = _either(met, passage.met[unit.heading], passage.met[unit.lead])
    with_title = _either(heading, passage.title)
    around = _either(with_title, passage.met[unit.section])
    own = _sum(shares, met)
    held = sum(any(has_kind(text, kind) for kind in kinds) for kinds in asked.wanted) / len(asked.wanted) if asked.wanted else 0.0
    figures = (
        own,
        _sum(shares, beside) - own,
        _sum(shares, heading) - own,
        _sum(shares, _either(met, passage.title)) - own,
        _sum(shares, around) - _sum(shares, _either(with_title, beside)),
        _sum(shares, passage.whole) - _sum(shares, around),
        passage.rank,
        float(passage.is_first),
        held,
        float(bool(asked.wanted) and not held),
        float(asked.verdict and has_kind(text, "verdict")),
        passage.language,
        float(unit.kind == "row"),
        float(unit.kind == "item"),
        float(unit.kind == "list"),
        math.log(max(len(text), LENGTH_MIN) / TYPICAL_CHARACTERS),
        own / math.sqrt(max(len(text), 2 * LENGTH_MIN) / TYPICAL_CHARACTERS),
        max((share * value for share, value in zip(shares, met, strict=True)), default=0.0),
        _sum(asked.focus_shares, met),
    )
    return Candidate(source, unit, quoted, met, around, passage.whole, figures)


def _neighbours(units: Sequence[Unit], order: int) -> list[Unit]:
    """The units before and after one, that share nothing with it."""
    unit = units[order]
    before = next((other for other in reversed(units[max(0, order - 3) : order]) if other.end <= unit.start), None)
    after = next((other for other in units[order + 1 : order + 4] if other.start >= unit.end), None)
    return [other for other in (before, after) if other is not None]


def _places(asked: Asked, reading: Reading) -> list[list[_Place]]:
    """For each term, where a text meets it and how well, by position."""
    near: dict[Group, list[_Place]] = {}
    result: list[list[_Place]] = []
    for term in asked.terms:
        found = [(place, 1.0) for place in _exact(term, reading)]
        for group in term.near:
            if group not in near:
                near[group] = [(place, NEAR_SHARE) for place in _others(group, reading)]
            found += near[group]
        found.sort()
        result.append(found)
    return result


def _exact(term: Term, reading: Reading) -> Iterator[int]:
    if term.is_stem:
        return (reading.starts[place] for place in reading.by_stem.get(term.text, ()))
    if term.pattern is not None:
        return (match.start() for match in term.pattern.finditer(reading.text))
    return find_korean(reading.text, term.text)


def _others(group: Group, reading: Reading) -> Iterator[int]:
    for form in group.korean:
        yield from find_korean(reading.text, form)
    for word in group.words:
        yield from (reading.starts[place] for place in reading.by_stem.get(word, ()))
    for phrase in group.phrases:
        yield from find_stems(reading, phrase)


def _best(places: Sequence[_Place]) -> float:
    return max((quality for _, quality in places), default=0.0)


def _within(places: Sequence[_Place], start: int, end: int) -> float:
    if start == end or not places:
        return 0.0
    first = bisect_right(places, (start, -1.0))
    best = 0.0
    for place, quality in places[first:]:
        if place >= end:
            break
        best = max(best, quality)
    return best


def _sum(shares: Sequence[float], values: Sequence[float]) -> float:
    return math.fsum(map(mul, shares, values))


def _either(first: tuple[float, ...], *others: tuple[float, ...]) -> tuple[float, ...]:
    """For each term the best that any of them has."""
    return tuple(map(max, first, *others))
