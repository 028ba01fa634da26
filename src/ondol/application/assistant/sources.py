"""How an answer shows its sources: OpenAI annotations where the schema has a place, and the `ondol` extension with everything."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ondol.application.assistant.types import Assistant, Cited, Source
from ondol.application.knowledge.search import Evidence, Found
from ondol.application.knowledge.store import ReadableVersion

_MARK = re.compile(r"\[(\d{1,3})\]")


def number_sources(evidence: Sequence[Evidence], sentences: Sequence[Cited]) -> tuple[tuple[Source, ...], Mapping[int, int]]:
    """Number the cited passages from 1 in the order of their first mark.

    Returns:
        The sources, and the number of each cited index of the evidence.
    """
    numbers: dict[int, int] = {}
    for sentence in sentences:
        numbers.setdefault(sentence.source, len(numbers) + 1)
    sources = tuple(
        Source(number, evidence[index], tuple((item.start, item.end) for item in sentences if item.source == index))
        for index, number in numbers.items()
    )
    return sources, numbers


def annotations_of(text: str, sources: Sequence[Source]) -> tuple[Mapping[str, Any], ...]:
    """A `url_citation` for each mark in the text, with the mark's own span in characters."""
    by_number = {source.number: source for source in sources}
    return tuple(
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": mark.start(),
                "end_index": mark.end(),
                "title": by_number[int(mark[1])].evidence.version.details.title,
                "url": original_url(by_number[int(mark[1])].evidence.version.id),
            },
        }
        for mark in _MARK.finditer(text)
        if int(mark[1]) in by_number
    )


def extension_of(
    answer_id: uuid.UUID, assistant: Assistant, found: Found, sources: Sequence[Source], *, language: str, refused: bool, model: str
) -> dict[str, Any]:
    """The documented `ondol` field of an answer."""
    return {
        "answer_id": str(answer_id),
        "refused": refused,
        "language": language,
        "model": model,
        "release": str(assistant.release_id) if assistant.release_id else None,
        "sources": [_source(source) for source in sources],
        "searched": searched_extension(assistant.base, found.index_version_id, found.index_number, len(found.evidence)),
    }


def searched_extension(base: str, version_id: uuid.UUID | None, number: int | None, passages: int) -> dict[str, Any]:
    """What was searched: the base, the version of its index by id and by number, and how many passages were looked at."""
    return {"base": base, "index_version": str(version_id) if version_id else None, "index_number": number, "passages_considered": passages}


def files_searched(files: int, *, alone: bool) -> dict[str, Any]:
    """What was searched beside the base: so many files of the conversation; or they alone."""
    return {"files": files, "alone": alone}


def original_url(version_id: uuid.UUID) -> str:
    """Where the original file of a version can be fetched by whoever may read it."""
    return f"/documents/{version_id}/original"


def _source(source: Source) -> dict[str, Any]:
    found, hit = source.evidence, source.evidence.hit
    return source_extension(
        source.number,
        found.version,
        hit.passage_ordinal,
        found.headings,
        found.page,
        hit.score,
        text=found.text,
        quotes=source.quotes,
        attached=found.attached,
    )


def source_extension(
    number: int,
    version: ReadableVersion,
    passage: int,
    headings: Sequence[str],
    page: int | None,
    score: float,
    *,
    text: str,
    quotes: Sequence[tuple[int, int]],
    attached: bool,
) -> dict[str, Any]:
    """A source as the `ondol` field tells it.

    Args:
        passage: its place in the document, and `text` what it says.
        quotes: the spans of it that the answer rests on, half-open, in characters.
        attached: it stands in a file of the conversation, which has no class, and no key of a base.
    """
    return {
        "n": number,
        "document_id": str(version.document_id),
        "document_version_id": str(version.id),
        "title": version.details.title,
        "attached": attached,
        "path": version.details.path,
        "headings": list(headings),
        "page": page,
        "version": version.declared_version,
        "language": version.language,
        "media_type": version.media_type,
        "security_class": version.security_class,
        "valid_from": version.valid_from.isoformat() if version.valid_from else None,
        "valid_until": version.valid_until.isoformat() if version.valid_until else None,
        "passage": passage,
        "score": round(score, 4),
        "text": text,
        "quotes": [{"start": start, "end": end} for start, end in quotes],
        "original_url": original_url(version.id),
    }
