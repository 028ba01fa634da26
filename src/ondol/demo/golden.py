"""The golden questions of the demo tenant: what its people ask, what they should be told, and what they must not be told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

from ondol.application.knowledge.types import SecurityClass
from ondol.core.errors import UserError
from ondol.demo import golden_folder

__all__ = ["ASKERS", "Asker", "GoldenQuestion", "QuestionKind", "load_golden"]

QuestionKind: TypeAlias = Literal["answerable", "newest", "unanswerable", "forbidden"]
"""``answerable``: a document open to the asker says it. ``newest``: so it does, and an older version says something else.
``unanswerable``: no document says it. ``forbidden``: only documents that are closed to the asker say it."""

QUESTIONS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: a person of the demo tenant.

    `groups` are the groups that the person is a direct member of; each of them stands within the group ``staff``.
    """

    login: str
    groups: tuple[str, ...]
    clearance: SecurityClass


ASKERS: Final[Mapping[str, Asker]] = MappingProxyType(
    {
        "customer": Asker("customer@durubitnaru.example", (), "public"),
        "support": Asker("support@durubitnaru.example", ("support-staff",), "internal"),
        "billing": Asker("billing@durubitnaru.example", ("billing-team",), "confidential"),
        "security": Asker("security@durubitnaru.example", ("security-team",), "restricted"),
        "ops": Asker("ops@durubitnaru.example", ("operations",), "confidential"),
    }
)
"""The people by the name that a golden question gives them."""


@dataclass(frozen=True, slots=True)
class GoldenQuestion:
    """One question with what a right answer holds.

    `asker` is a key of `ASKERS`. `documents` are the ids of the documents that answer it (for ``forbidden``: those that must stay closed;
    for ``unanswerable``: none). `must_contain` is a list of groups of spellings: of each group the answer holds at least one, verbatim.
    `must_not_contain` holds what the answer must not say: a superseded figure, or words of a closed document. `answer` is a reference of one or
    two sentences.
    """

    id: str
    language: Literal["ko", "en"]
    asker: str
    kind: QuestionKind
    question: str
    documents: tuple[str, ...]
    answer: str
    must_contain: tuple[tuple[str, ...], ...]
    must_not_contain: tuple[str, ...]


def load_golden(folder: Path | None = None) -> list[GoldenQuestion]:
    """All golden questions, by file name and line.

    Args:
        folder: with ``*.jsonl`` files; by default the demo tenant's own.

    Raises:
        UserError: a line is not a golden question, or two have the same id; the message names the file and the line.
    """
    questions: dict[str, GoldenQuestion] = {}
    for path in sorted((golden_folder() if folder is None else folder).glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            place = f"{path.name}, line {number}"
            question = _question(line, place)
            if question.id in questions:
                raise UserError(f"{place}: the id {question.id} is taken.", "Give every golden question an id of its own.")
            if len(questions) >= QUESTIONS_MAX:
                raise UserError(f"There are more than {QUESTIONS_MAX:,} golden questions.", "Keep fewer files in the folder.")
            questions[question.id] = question
    return list(questions.values())


def _question(line: str, place: str) -> GoldenQuestion:
    try:
        raw: dict[str, Any] = json.loads(line)
        question = GoldenQuestion(
            id=raw.pop("id"),
            language=raw.pop("language"),
            asker=raw.pop("asker"),
            kind=raw.pop("kind"),
            question=raw.pop("question"),
            documents=tuple(raw.pop("documents")),
            answer=raw.pop("answer"),
            must_contain=tuple(tuple(group) for group in raw.pop("must_contain")),
            must_not_contain=tuple(raw.pop("must_not_contain")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{place}: not a golden question ({error}).", "See GoldenQuestion for its keys.") from error
    if raw or question.asker not in ASKERS or question.kind not in get_args(QuestionKind) or question.language not in ("ko", "en"):
        raise UserError(f"{place}: an unknown key, asker, kind or language.", "See GoldenQuestion for what is accepted.")
    return question
