"""What is said instead of an answer: that the documents do not hold it, which of them come nearest, and how to ask for access to more.

The offer stands in every refusal, in the same words, whether or not there is anything that the asker may not see: nobody can tell by it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ondol.application.assistant.sources import original_url
from ondol.application.assistant.types import REFUSALS
from ondol.application.knowledge.search import Evidence
from ondol.application.knowledge.store import ReadableVersion
from ondol.application.prompts import Language

NEAREST_MAX = 3
TITLE_CHARACTERS_MAX = 120
_NEAREST: Mapping[Language, str] = MappingProxyType({"ko": "가장 가까운 문서: {}", "en": "The nearest documents: {}"})
OFFERS: Mapping[Language, str] = MappingProxyType(
    {
        "ko": "찾으시는 문서를 볼 수 없다면 열람을 요청하실 수 있습니다.",
        "en": "If there is a document that you cannot see, you can ask for access.",
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as it is told.

    Attributes:
        nearest: of what the asker's own search found, the first documents.
    """

    text: str
    nearest: tuple[ReadableVersion, ...]


def refuse(language: Language, evidence: Sequence[Evidence], inspect: Callable[[Sequence[str]], Sequence[str]]) -> Refusal:
    """Say that the documents do not hold the answer.

    Args:
        evidence: what the asker's own search found, best first: only that may be named.
        inspect: the guard's look at texts of documents; a title that it would change is not told.
    """
    versions = list({item.version.document_id: item.version for item in evidence}.values())[:NEAREST_MAX]
    titles = [version.details.title for version in versions]
    told = [version for version, title, passed in zip(versions, titles, inspect(titles), strict=True) if title == passed] if titles else []
    lines = [REFUSALS[language]]
    if told:
        lines.append(_NEAREST[language].format(", ".join(_short(version.details.title) for version in told)))
    return Refusal("\n\n".join([*lines, OFFERS[language]]), tuple(told))


def refusal_extension(answer_id: uuid.UUID, nearest: Sequence[ReadableVersion]) -> dict[str, Any]:
    """The `refusal` of an answer's `ondol` field."""
    documents = [
        {"title": version.details.title, "document_version_id": str(version.id), "original_url": original_url(version.id)} for version in nearest
    ]
    return {"nearest": documents, "access_request": f"/api/v1/answers/{answer_id}/access-request"}


def _short(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= TITLE_CHARACTERS_MAX else line[: TITLE_CHARACTERS_MAX - 1] + "…"
