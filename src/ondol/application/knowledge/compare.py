"""Two index versions side by side, asked the same questions as the same people."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ondol.application.knowledge.index_versions.store import IndexVersion
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.search import IndexStates, search
from ondol.core.errors import UserError

HITS = 10
QUESTIONS_MAX = 10_000
QUESTIONS_BYTES_MAX = 32 * 2**20


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"asker": "as"}):
    """One line of a file of questions.

    `documents` are the keys (the `id` of the front matter, or the path without its ending) of documents that answer it; empty where that is not
    known: then only changes are told. `asker` is the login of who asks.
    """

    question: str
    documents: tuple[str, ...] = ()
    asker: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """How two versions did with one question.

    Attributes:
        first, second: at which place (from 1) each found the first of the documents that answer it; None when not among the first ten.
        shared: of the first ten documents of each, so many are the same.
        is_same_order: whether both found the same documents in the same order.
    """

    number: int
    first: int | None
    second: int | None
    shared: int
    is_same_order: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """All questions.

    Attributes:
        judged: questions of which it is known which documents answer them; the recalls are shares of these, in [0, 1].
    """

    questions: tuple[Compared, ...]
    judged: int
    recall_at_1: tuple[float, float]
    recall_at_10: tuple[float, float]


def read_questions(file: Path) -> list[Question]:
    """The questions of a JSON Lines file.

    Raises:
        UserError: when it cannot be read, is too large, or a line is no question; the message names the line.
    """
    try:
        if file.stat().st_size > QUESTIONS_BYTES_MAX:
            raise UserError(f"{file} is larger than {QUESTIONS_BYTES_MAX // 2**20} MiB.", "Ask fewer questions.")
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.", "Give a file of questions.") from error
    found: list[Question] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(msgspec.json.decode(line, type=Question))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            hint = 'A line is an object such as {"question": "…", "documents": ["en/refund-policy"], "as": "visitor"}.'
            raise UserError(f"{file}, line {number}: {error}.", hint) from error
    if not 1 <= len(found) <= QUESTIONS_MAX:
        raise UserError(f"{file} holds {len(found):,} questions.", f"Give 1 to {QUESTIONS_MAX:,}.")
    return found


async def compare(
    room: Knowledge,
    tenant_id: uuid.UUID,
    people: Mapping[str, uuid.UUID],
    versions: tuple[IndexVersion, IndexVersion],
    questions: Sequence[Question],
) -> Comparison:
    """Ask two versions of a base the same questions.

    Args:
        people: who asks, by login; each question's asker is among them. Nobody finds what they may not read.

    Raises:
        Conflict: when a version cannot be asked.
    """
    states = IndexStates()
    compared: list[Compared] = []
    for number, question in enumerate(questions, 1):
        found = [await _documents(room, states, tenant_id, people[question.asker], version, question.question) for version in versions]
        places = [next((place for place, key in enumerate(keys, 1) if key in question.documents), None) for keys in found]
        shared = len(set(found[0]) & set(found[1]))
        compared.append(Compared(number, places[0], places[1], shared, found[0] == found[1]))
    judged = [item for item, question in zip(compared, questions, strict=True) if question.documents]
    return Comparison(tuple(compared), len(judged), _recall(judged, 1), _recall(judged, HITS))


async def _documents(
    room: Knowledge, states: IndexStates, tenant_id: uuid.UUID, person_id: uuid.UUID, version: IndexVersion, question: str
) -> list[str]:
    """The keys of the documents that are found, best first."""
    found = await search(room, states, tenant_id, person_id, version.base_id, question, limit=HITS, index_id=version.id)
    return list(dict.fromkeys(item.version.details.key for item in found.evidence))


def _recall(judged: Sequence[Compared], at: int) -> tuple[float, float]:
    if not judged:
        return 0.0, 0.0
    first = sum(item.first is not None and item.first <= at for item in judged)
    second = sum(item.second is not None and item.second <= at for item in judged)
    return first / len(judged), second / len(judged)
