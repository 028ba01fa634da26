"""What raters and uploads hand in, checked field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ondol.application.evaluation.golden.plain import item_of
from ondol.application.evaluation.review.types import POINTS_MAX, Judged, Note, Points, Span
from ondol.application.evaluation.types import Turn
from ondol.core.errors import RequestError

ANSWER_CHARACTERS_MAX = 50_000
CORRECTION_CHARACTERS_MAX = 20_000
COMMENT_CHARACTERS_MAX = 2_000
SPANS_MAX = 100
LABEL_CHARACTERS_MAX = 100


@dataclass(frozen=True, slots=True)
class Upload:
    """Something to judge that somebody hands in, planted gold where `gold` says what it deserves."""

    judged: Judged
    gold: Points | None = None


def upload_of(raw: object, scales: Sequence[str]) -> Upload:
    """An upload from plain data: `question` or `turns`, `answer`, and perhaps `gold`.

    Raises:
        RequestError: naming the field.
    """
    if not isinstance(raw, Mapping) or not set(raw) <= {"id", "question", "turns", "answer", "gold"}:
        raise _bad("item", "Something to judge has a `question` or `turns`, an `answer`, and perhaps `gold` and an `id`.")
    if not isinstance(raw.get("answer"), str) or not raw["answer"].strip() or len(raw["answer"]) > ANSWER_CHARACTERS_MAX:
        raise _bad("answer", f"`answer` is a text of 1 to {ANSWER_CHARACTERS_MAX:,} characters.")
    asked = item_of({name: raw[name] for name in ("question", "turns") if name in raw} | {"id": "upload"})
    try:
        raw["answer"].encode()
    except UnicodeEncodeError:
        raise _bad("answer", "`answer` holds half a character.") from None
    gold = None if raw.get("gold") is None else checked_points(raw["gold"], scales, "gold")
    return Upload(Judged(asked.turns, raw["answer"]), gold)


def checked_points(raw: object, scales: Sequence[str], param: str = "points") -> dict[str, int | None]:
    """Points by scale; what is absent could not be told.

    Raises:
        RequestError: when a scale is not the queue's, a value is none of 1 to 5, or nothing is said.
    """
    if not isinstance(raw, Mapping) or not set(raw) <= set(scales):
        raise _bad(param, f"The scales are: {', '.join(scales)}.")
    for name, value in raw.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= POINTS_MAX):
            raise _bad(param, f"`{name}` has 1 to {POINTS_MAX} points, or none where it cannot be told.")
    if all(value is None for value in raw.values()):
        raise _bad(param, "No scale has points.")
    return {name: raw.get(name) for name in scales}


def checked_note(note: Note, answer: str) -> Note:
    """A note on an answer.

    Raises:
        RequestError: when a place is not in the answer, or something is too long.
    """
    if len(note.spans) > SPANS_MAX:
        raise _bad("spans", f"At most {SPANS_MAX} places are marked.")
    for span in note.spans:
        if not 0 <= span.start < span.end <= len(answer):
            raise _bad("spans", f"The place {span.start} to {span.end} is not in the answer, which has {len(answer)} characters.")
        if not 0 < len(span.label.strip()) <= LABEL_CHARACTERS_MAX:
            raise _bad("spans", f"A place has a label of at most {LABEL_CHARACTERS_MAX} characters.")
    if len(note.correction) > CORRECTION_CHARACTERS_MAX:
        raise _bad("correction", f"A correction has at most {CORRECTION_CHARACTERS_MAX:,} characters.")
    if len(note.comment) > COMMENT_CHARACTERS_MAX:
        raise _bad("comment", f"A comment has at most {COMMENT_CHARACTERS_MAX:,} characters.")
    for name, text in (("correction", note.correction), ("comment", note.comment), ("spans", "".join(span.label for span in note.spans))):
        if text.encode("utf-8", "replace").decode() != text:
            raise _bad(name, f"`{name}` holds half a character.")
    return note


def plain_judged(judged: Judged) -> dict[str, Any]:
    """What is judged as plain data."""
    return {"turns": [{"role": turn.role, "text": turn.text} for turn in judged.turns], "answer": judged.answer}


def judged_of(plain: Mapping[str, Any]) -> Judged:
    """The same read back."""
    return Judged(tuple(Turn(turn["role"], turn["text"]) for turn in plain["turns"]), plain["answer"])


def plain_note(note: Note) -> dict[str, Any]:
    """A note as plain data."""
    spans = [{"start": span.start, "end": span.end, "label": span.label} for span in note.spans]
    return {"spans": spans, "correction": note.correction, "comment": note.comment}


def note_of(plain: Mapping[str, Any]) -> Note:
    """The same read back."""
    return Note(tuple(Span(**span) for span in plain["spans"]), plain["correction"], plain["comment"])


def _bad(param: str, message: str) -> RequestError:
    return RequestError(message, code="bad_review", param=param)
