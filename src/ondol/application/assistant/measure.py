"""How well each quotable unit of the evidence fits a question, as named figures between about 0 and 1."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from ondol.application.assistant.candidates import Span, Unit, read_units
from ondol.application.assistant.definition import names, opens_with
from ondol.application.assistant.doing import bounds, does
from ondol.application.assistant.figures import has_kind
from ondol.application.assistant.forms import Form, conditions
from ondol.application.assistant.lexicon import Group
from ondol.application.assistant.listing import enumerates, is_headed, names_things
from ondol.application.assistant.question import Asked, Term
from ondol.application.assistant.words import Reading, find_korean, find_stems, read
from ondol.application.knowledge.search import Evidence
from ondol.core.language import detect_language

NEAR_SHARE = 0.8
"""What a word counts that is met by another word for it."""
TYPICAL_CHARACTERS = 60
"""A sentence of this length is neither short nor long."""
LENGTH_MIN = 10

CLOSE_CHARACTERS = 24
"""Two words of a question belong together in a text if they begin within so many characters of each other."""
TOPIC_CHARACTERS = 12
"""A unit begins with a word that stands within so many characters of its start."""
OTHER_VERB_SHARE = 0.5
"""What it counts to say what a thing is, where it is asked what that does to something."""
UNDER_NAME_GRADE = 0.8
"""What a verb counts without its subject, below a heading that is the subject's name."""
RUNS_GRADE = 0.8
"""How well a sentence that introduces a command by its purpose says what that does."""
_FILE = re.compile(r"\S/\S|\w\.[a-z]{2,5}\b")
"""A command with a file or an address of its own does something particular with it."""
_PURPOSE = re.compile(r"^(?:[-*]\s+|\d+[.)]\s+)?to\s+[a-z]+\s[^:]{3,}|(?:하려면|려면|위해|도록)")
FIRST_PLACES = (1.0, 0.5, 0.3)
"""What it counts to be the first, second or third to stand below a heading."""

_WHOLE = re.compile(r"(?:[.!?。…][\"')\]”’*_`]*|다[\"')\]”’*_`]*)\Z")

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
        openings: for each subject of the question, how well the unit says what that is.
        ordinal: the place of its passage in the document.
        passage_of: the document's version and the headings of the passage: what passages have in common that one list may run through.
    """

    source: int
    unit: Unit
    text: str
    met: tuple[float, ...]
    around: tuple[float, ...]
    passage: tuple[float, ...]
    figures: tuple[float, ...]
    openings: tuple[float, ...] = ()
    ordinal: int = 0
    passage_of: tuple[object, ...] = ()


FIGURES = (
    "own",  # the share of the question's weight that the unit meets
    "beside",  # what else its neighbours in the section meet
    "heading",  # what else the nearest heading and the sentence before the list or table meet
    "title",  # what else the title and the headings of the passage meet
    "section",  # what else the rest of the section meets
    "passage",  # what else the rest of the passage meets
    "rank",  # the passage's BM25 score, of the best passage's; 0 if the question has a subject, for what the search then ranks is mentions of it
    "first_rank",  # whether it is the best passage; the same holds
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
    "opening",  # how well it says, by the way it begins, what the subject is or does
    "named",  # whether it stands first below a heading that is the subject's name
    "begins",  # the share of the question that the heading meets below which it stands first
    "shape",  # the share of the turns of phrase expected of an answer that it holds
    "condition",  # the share that its conditional clauses meet, where a condition is asked about
    "pairs",  # the share of the pairs of words that stand close together in it as they do in the question
    "fragment",  # whether it is no whole sentence, although it stands among sentences
    "topic",  # the share of the weightiest word, if the unit begins with it
    "lists",  # how surely it lists things, by the share of the question met by it, its lead and its headings, where a list is asked for
    "headed",  # the same, by how nearly its heading says what is listed
    "bounds",  # how surely it says how many there may be, by the share of the question met by it, its lead and headings, where that is asked
    "step",  # `own` of a sentence with its command
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
            if unit.kind == "step" and not (asked.form.instructs or _runs(asked.form, found.text[unit.start : unit.end])):
                continue
            candidates.append(_measure_unit(asked, source, passage, order, unit, found.text[unit.start : unit.end]))
    return candidates


@dataclass(frozen=True, slots=True)
class _PassageReading:
    """What is measured once for a passage.

    Attributes:
        places: where each term is met.
        firsts: for each unit, how near it stands to the beginning of its section, and the name of that.
        names: for each unit the nearest heading above it, of this passage or an earlier one.
        met: for each span of interest how well it meets each term.
        title: the same for the title and the headings of the passage; `whole` for the passage with them.
    """

    text: str
    units: tuple[Unit, ...]
    places: Sequence[Sequence[_Place]]
    firsts: Sequence[tuple[float, str]]
    met: Mapping[Span, tuple[float, ...]]
    title: tuple[float, ...]
    whole: tuple[float, ...]
    rank: float
    is_first: bool
    language: float
    ordinal: int
    passage_of: tuple[object, ...]
    names: Sequence[str]


def _read_passage(asked: Asked, found: Evidence, rank: float, *, is_first: bool) -> _PassageReading:
    reading = read(found.text)
    with_steps = asked.form.instructs or asked.form.defines
    units = read_units(found, "lists" if asked.form.listed is not None else "steps" if with_steps else "plain")
    places = _places(asked, reading)
    title = tuple(_best(held) for held in _places(asked, read("\n".join([found.version.details.title, *found.headings]))))
    whole = tuple(max(_best(held), in_title) for held, in_title in zip(places, title, strict=True))
    spans = {span for unit in units for span in ((unit.start, unit.end), unit.section, unit.heading, unit.lead)}
    met = {span: _within_all(places, *span) for span in spans}
    language = float(detect_language(found.text) == asked.language)
    part = (found.version.id, found.headings)
    page = found.headings[-1] if found.headings else found.version.details.title
    above = [found.text[slice(*unit.heading)] or page for unit in units]
    return _PassageReading(
        reading.text, units, places, _firsts(found, units), met, title, whole, rank, is_first, language, found.hit.passage_ordinal, part, above
    )


def _measure_unit(asked: Asked, source: int, passage: _PassageReading, order: int, unit: Unit, quoted: str) -> Candidate:
    text = passage.text[unit.start : unit.end]
    openings = tuple(_opening(asked.form, subject, unit, text, passage.firsts[order][1]) for subject in asked.form.subjects if asked.form.defines)
    shares = asked.shares
    met = passage.met[unit.start, unit.end]
    if unit.members:  # a list that is asked for says what it is a list of in the sentence and the heading above it
        met = _either(met, passage.met[unit.lead], passage.met[unit.heading])
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
        0.0 if asked.form.listed is not None else _sum(shares, heading) - own,
        _sum(shares, _either(met, passage.title)) - own,
        _sum(shares, around) - _sum(shares, _either(with_title, beside)),
        _sum(shares, passage.whole) - _sum(shares, around),
        0.0 if asked.form.subjects else passage.rank,
        float(passage.is_first and not asked.form.subjects),
        held,
        float(bool(asked.wanted) and not held),
        float(asked.verdict and has_kind(text, "verdict")),
        passage.language,
        float(unit.kind == "row"),
        float(unit.kind == "item"),
        float(unit.kind == "list" and not unit.members),
        0.0 if unit.members else math.log(max(len(text), LENGTH_MIN) / TYPICAL_CHARACTERS),
        own if unit.members else own / math.sqrt(max(len(text), 2 * LENGTH_MIN) / TYPICAL_CHARACTERS),
        max((share * value for share, value in zip(shares, met, strict=True)), default=0.0),
        _sum(asked.focus_shares, met),
        *_form_figures(asked, passage, order, unit, text, openings),
        _pairs(asked, passage.places, unit),
        float(unit.kind == "sentence" and not (_WHOLE.search(quoted) and not quoted[:1].islower())),
        _topic(asked, passage.places, unit),
        *_lists(asked, passage, order, unit, quoted),
        bounds(text, asked.form.counted) * _sum(shares, with_title) if asked.form.counted is not None else 0.0,
        own if unit.kind == "step" else 0.0,
    )
    return Candidate(source, unit, quoted, met, around, passage.whole, figures, openings, passage.ordinal, passage.passage_of)


def _form_figures(
    asked: Asked, passage: _PassageReading, order: int, unit: Unit, text: str, openings: Sequence[float]
) -> tuple[float, float, float, float, float]:
    """`opening`, `named`, `begins`, `shape` and `condition`."""
    first, name = passage.firsts[order]
    form = asked.form
    heading = passage.met[unit.heading] if unit.heading[0] < unit.heading[1] else passage.title
    named = first * max((names(name, subject) for subject in form.subjects), default=0.0) if first else 0.0
    shape = sum(shape.search(text) is not None for shape in form.shapes) / len(form.shapes) if form.shapes else 0.0
    if form.heading is not None:
        shape = shape / 2 + (0.5 if form.heading.search(name.lower()) else 0.0)
    condition = 0.0
    if form.conditional:
        clauses = [_within_all(passage.places, unit.start + start, unit.start + end) for start, end in conditions(text)]
        condition = max((_sum(asked.shares, clause) for clause in clauses), default=0.0)
    return max(openings, default=0.0), named, first * _sum(asked.shares, heading), shape, condition


def _opening(form: Form, subject: str, unit: Unit, text: str, name: str) -> float:
    """How well a unit says what a subject is or does; where it is asked what that does to something, by the verb."""
    if unit.kind == "step":
        return RUNS_GRADE
    grade = opens_with(subject, text)
    if form.verb is None:
        return grade
    if form.verb.search(text) is None:
        return grade * OTHER_VERB_SHARE
    return max(grade, does(subject, form.verb, text), names(name, subject) * UNDER_NAME_GRADE)


def _runs(form: Form, step: str) -> bool:
    """Whether a step tells what the command is for that a question asks about."""
    if _PURPOSE.search(step.lower()) is None:
        return False
    command = step.rpartition("\n")[2].lstrip("$> ").casefold()
    return _FILE.search(command) is None and any(command.startswith(subject.casefold()) for subject in form.subjects if len(subject.split()) > 1)


def _lists(asked: Asked, passage: _PassageReading, order: int, unit: Unit, quoted: str) -> tuple[float, float]:
    """`lists` and `headed`."""
    listed = asked.form.listed
    if listed is None or unit.kind not in ("list", "sentence", "item"):
        return 0.0, 0.0
    if unit.kind == "list":
        grade = names_things([quoted[start - unit.start : end - unit.start] for start, end in unit.members])
        told = passage.met[unit.lead]
    else:
        grade = enumerates(quoted)
        told = passage.met[unit.start, unit.end]
    if not grade:
        return 0.0, 0.0
    near = _either(told, passage.met[unit.heading])
    told_of = (_sum(asked.shares, near) + _sum(asked.shares, _either(near, passage.title))) / 2
    return grade * told_of, grade * is_headed(passage.names[order], listed)


def _firsts(found: Evidence, units: Sequence[Unit]) -> list[tuple[float, str]]:
    """For each unit how near it stands to the beginning of its section, 0 where that lies in another passage; and the section's name."""
    counts: dict[Span, int] = {}
    result = []
    for unit in units:
        place = counts[unit.section] = counts.get(unit.section, -1) + 1
        heading = found.text[slice(*unit.heading)]
        begins = bool(heading) or found.hit.passage_ordinal == 0
        name = heading or found.version.details.title
        result.append((FIRST_PLACES[place] if begins and place < len(FIRST_PLACES) else 0.0, name))
    return result


def _pairs(asked: Asked, places: Sequence[Sequence[_Place]], unit: Unit) -> float:
    """Pairs of neighbouring words of the question, each by the share of the lighter one."""
    inside = [[place for place, _ in held[bisect_left(held, (unit.start, -1.0)) : bisect_left(held, (unit.end, -1.0))]] for held in places]
    total = met = 0.0
    for number in range(len(inside) - 1):
        share = min(asked.shares[number], asked.shares[number + 1])
        total += share
        if any(0 < abs(one - other) <= CLOSE_CHARACTERS for one in inside[number] for other in inside[number + 1]):
            met += share
    return met / total if total else 0.0


def _topic(asked: Asked, places: Sequence[Sequence[_Place]], unit: Unit) -> float:
    """The share of the weightiest word that the unit begins with, of the weightiest of all."""
    heaviest = max(asked.shares, default=0.0)
    begin = (unit.start, -1.0)
    end = (unit.start + TOPIC_CHARACTERS, -1.0)
    first = max((share for share, held in zip(asked.shares, places, strict=True) if bisect_left(held, begin) < bisect_left(held, end)), default=0.0)
    return first / heaviest if heaviest else 0.0


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
        stems = (term.text, *(prefix + term.text for prefix in _DENIALS if len(term.text) > len(prefix) + 2))
        return (reading.starts[place] for stem in stems for place in reading.by_stem.get(stem, ()))
    if term.pattern is not None:
        return (match.start() for match in term.pattern.finditer(reading.text))
    return find_korean(reading.text, term.text)


_DENIALS = ("un", "non")
"""A question whether data is encrypted is met by a sentence that calls it unencrypted."""


def _others(group: Group, reading: Reading) -> Iterator[int]:
    for form in group.korean:
        yield from find_korean(reading.text, form)
    for word in group.words:
        yield from (reading.starts[place] for place in reading.by_stem.get(word, ()))
    for phrase in group.phrases:
        yield from find_stems(reading, phrase)


def _best(places: Sequence[_Place]) -> float:
    return max((quality for _, quality in places), default=0.0)


def _within_all(places: Sequence[Sequence[_Place]], start: int, end: int) -> tuple[float, ...]:
    return tuple(_within(held, start, end) for held in places)


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
