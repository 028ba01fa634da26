"""How well each quotable unit of the evidence fits a question, as named figures between about 0 and 1."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ondol.application.assistant.candidates import Unit, read_units
from ondol.application.assistant.figures import Kind, has_kind
from ondol.application.assistant.lexicon import Group
from ondol.application.assistant.question import Asked, Term
from ondol.application.assistant.words import Reading, find_korean, find_stems, read
from ondol.application.knowledge.language import detect_language
from ondol.application.knowledge.search import Evidence

NEAR_SHARE = 0.8
"""What a word counts that is met by another word for it."""
TYPICAL_CHARACTERS = 60

Place = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that may be quoted, and how it fits.

    Attributes:
        source: index of its passage in the evidence.
        order: its place among the units of the passage.
        met: for each term of the question, how well the unit itself meets it, in [0, 1].
        around: the same for the unit together with its headings, title and section.
        passage: the same for the whole passage with its title.
        kinds: what the question asks for and the unit holds.
        figures: see `FIGURES`.
    """

    source: int
    order: int
    unit: Unit
    text: str
    met: tuple[float, ...]
    around: tuple[float, ...]
    passage: tuple[float, ...]
    kinds: frozenset[Kind]
    figures: tuple[float, ...]


FIGURES = (
    "own",
    "beside",
    "heading",
    "title",
    "section",
    "passage",
    "rank",
    "first_rank",
    "kinds",
    "no_kind",
    "verdict",
    "language",
    "row",
    "item",
    "list",
    "length",
    "first",
    "lead",
    "dense",
    "best_term",
    "focus",
)


def measure(asked: Asked, evidence: Sequence[Evidence]) -> list[Candidate]:
    """All candidates of all passages, in reading order."""
    best = max((found.hit.score for found in evidence), default=0.0) or 1.0
    candidates: list[Candidate] = []
    for source, found in enumerate(evidence):
        candidates += _measure_passage(asked, source, found, found.hit.score / best)
    return candidates


def _measure_passage(asked: Asked, source: int, found: Evidence, rank: float) -> list[Candidate]:
    reading = read(found.text)
    lowered = reading.text
    units = read_units(found)
    if not units:
        return []
    total = asked.weight or 1.0
    shares = [term.weight / total for term in asked.terms]
    focus_total = sum(term.weight * term.focus for term in asked.terms) or 1.0
    focus = [term.weight * term.focus / focus_total for term in asked.terms]
    places = _places(asked, reading)
    title = [_best(found_places) for found_places in _places(asked, read("\n".join([found.version.details.title, *found.headings])))]
    passage = tuple(max(_best(found_places), in_title) for found_places, in_title in zip(places, title, strict=True))
    spans = {span for unit in units for span in (unit.section, unit.heading, unit.lead)} | {(unit.start, unit.end) for unit in units}
    within = {span: [_within(found_places, *span) for found_places in places] for span in spans}
    same_language = float(detect_language(found.text) == asked.language)
    kinds_wanted = frozenset(kind for kinds in asked.wanted for kind in kinds)
    out: list[Candidate] = []
    for order, unit in enumerate(units):
        text = lowered[unit.start : unit.end]
        met = within[unit.start, unit.end]
        beside = [0.0] * len(met)
        for other in _neighbours(units, order):
            if other.section == unit.section:
                beside = [max(pair) for pair in zip(beside, within[other.start, other.end], strict=True)]
        heading, lead = within[unit.heading], within[unit.lead]
        section = within[unit.section]
        around = tuple(max(values) for values in zip(met, heading, lead, section, title, strict=True))
        kinds = frozenset(kind for kind in kinds_wanted if has_kind(text, kind))
        held = sum(bool(wanted & kinds) for wanted in asked.wanted) / len(asked.wanted) if asked.wanted else 0.0
        own = _sum(shares, met)
        figures = (
            own,
            _more(shares, beside, met),
            _more(shares, [max(pair) for pair in zip(heading, lead, strict=True)], met),
            _more(shares, title, met),
            _more(shares, section, met, heading, lead, beside, title),
            _more(shares, passage, around),
            rank,
            float(source == 0),
            held,
            float(bool(asked.wanted) and not held),
            float(asked.verdict and has_kind(text, "verdict")),
            same_language,
            float(unit.kind == "row"),
            float(unit.kind == "item"),
            float(unit.kind == "list"),
            math.log(max(len(text), 10) / TYPICAL_CHARACTERS),
            own / math.sqrt(max(len(text), 20) / TYPICAL_CHARACTERS),
            max((share * value for share, value in zip(shares, met, strict=True)), default=0.0),
            _sum(focus, met),
        )
        out.append(Candidate(source, order, unit, found.text[unit.start : unit.end], tuple(met), around, passage, kinds, figures))
    return out


def _neighbours(units: Sequence[Unit], order: int) -> list[Unit]:
    """The units before and after one, that share nothing with it."""
    unit = units[order]
    before = next((other for other in reversed(units[max(0, order - 3) : order]) if other.end <= unit.start), None)
    after = next((other for other in units[order + 1 : order + 4] if other.start >= unit.end), None)
    return [other for other in (before, after) if other is not None]


def _places(asked: Asked, reading: Reading) -> list[list[Place]]:
    """For each term, where a text meets it and how well, by position."""
    near: dict[Group, list[Place]] = {}
    result: list[list[Place]] = []
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


def _best(places: Sequence[Place]) -> float:
    return max((quality for _, quality in places), default=0.0)


def _within(places: Sequence[Place], start: int, end: int) -> float:
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
    return math.fsum(share * value for share, value in zip(shares, values, strict=True))


def _more(shares: Sequence[float], values: Sequence[float], *already: Sequence[float]) -> float:
    """What `values` meet beyond what is met already."""
    return sum(share * max(0.0, value - max(known)) for share, value, known in zip(shares, values, zip(*already, strict=True), strict=True))
