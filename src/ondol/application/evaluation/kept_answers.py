"""An answer that was given before, scored again by the scorers that need no right answer to compare with.

What is scored is what was shown, from the sealed record, against the passages as they stand in the sealed documents now. Passages that were erased
since bear nothing out any more, and an answer that was erased cannot be scored.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ondol.application.assistant.reading import view_answer
from ondol.application.assistant.record import AnswerRecord, SentenceChecked, parse_record
from ondol.application.assistant.store import answer_row, open_answer
from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.types import Answer, Case, CitedSource, Score, Turn
from ondol.application.knowledge.attachments.terms import CUT
from ondol.application.knowledge.content import DocumentContent, read_text
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json
from ondol.core.errors import Conflict, KeyDestroyed, NotFound, RequestError, SealBroken
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyOwner

SCORERS: Mapping[str, Mapping[str, Any]] = {
    "citation_precision": {"by": "verifier"},
    "citation_recall": {"by": "verifier"},
    "cost": {},
    "groundedness": {"recheck": True},
    "hallucination_rate": {"recheck": True},
    "language_match": {},
    "latency": {},
    "pii_leak": {},
    "refusal": {},
    "tokens": {},
}
"""Scorers that need no reference, with their settings here: sentences are verified anew, whatever was found of them when the answer was given."""

Look = Callable[[uuid.UUID], Callable[[str], Awaitable[list[Mapping[str, Any]]]]]
"""Gives the way to the guard's findings in a text, of a tenant."""


@dataclass(frozen=True, slots=True)
class Rescored:
    """An answer's scores by scorer; `is_own` where whoever asks for them is who asked the question."""

    answer_id: uuid.UUID
    scores: Mapping[str, Score]
    is_own: bool


async def rescore_answer(
    room: Knowledge,
    tenant_id: uuid.UUID,
    reader_id: uuid.UUID,
    answer_id: uuid.UUID,
    scorers: Sequence[str],
    look: Look,
    *,
    sees_all: bool,
) -> Rescored:
    """Score an answer again. That it was read for this is an event of the ledger.

    Args:
        scorers: names of `SCORERS`; all of them when empty.
        sees_all: the reader may look at the records of others; they are told figures and no words.

    Raises:
        NotFound: when there is no such answer that the reader may see.
        RequestError: for a scorer that is not known, or needs a right answer.
        Conflict: when the answer was erased.
    """
    chosen = tuple(dict.fromkeys(scorers)) or tuple(SCORERS)
    unknown = [name for name in chosen if name not in SCORERS]
    if unknown:
        hint = f"These need none: {', '.join(SCORERS)}."
        raise RequestError(f"{unknown[0][:50]!r} is no scorer that needs no right answer.", hint, code="unknown_scorer", param="scorers")
    await view_answer(room, tenant_id, reader_id, answer_id, sees_all=sees_all)
    async with room.database.tenant_tx(tenant_id) as connection:
        row = await answer_row(connection, answer_id)
        body: dict[str, Json] = {"answer": answer_id}
        await record(connection, tenant_id, kind="answer.evaluated", actor_id=reader_id, body=body, now=room.clock())
    kept = parse_record(row["provenance"])
    case, answer = await asyncio.to_thread(_opened, room, tenant_id, kept, row)
    tools = Tools(look=look(tenant_id))
    scores = {name: await LOADERS[name](name, SCORERS[name], tools).score(case, answer) for name in chosen}
    return Rescored(answer_id, scores, row["person_id"] == reader_id)


def _opened(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord, row: Mapping[str, Any]) -> tuple[Case, Answer]:
    """The question as a case, and what was shown as its answer.

    Raises:
        Conflict: when the answer was erased.
    """
    try:
        question, shown = open_answer(room.keyring.get(KeyOwner(tenant_id, "subject", kept.person)), row)
    except KeyDestroyed as error:
        raise Conflict("The answer was erased: there is nothing to score.", "That it was given is still on record.", code="answer_erased") from error
    slices = {"language": kept.language} if kept.language in ("ko", "en") else {}
    case = Case(id=str(kept.answer), turns=(Turn("user", question),), slices=slices, cluster=str(kept.answer))
    answer = Answer(
        text=shown,
        is_refusal=kept.outcome == "refused",
        sources=_sources(room, tenant_id, kept),
        sentences=tuple(_sentence(sentence, shown) for sentence in kept.sentences),
        input_tokens=kept.input_tokens,
        output_tokens=kept.output_tokens,
        latency_ms=kept.total_us / 1_000,
        cost_nano=kept.cost.nano if kept.cost is not None else 0,
        currency=kept.cost.currency if kept.cost is not None else "USD",
    )
    return case, answer


def _sources(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord) -> tuple[CitedSource, ...]:
    """What is cited, with the quotes as they stand in the documents now."""
    opened: dict[uuid.UUID, DocumentContent | None] = {}
    sources = []
    for source in kept.sources:
        if not 0 <= source.evidence < len(kept.evidence):
            continue
        item = kept.evidence[source.evidence]
        if item.version not in opened:
            cut = CUT.cut if item.attached else kept.index.cut
            opened[item.version] = _content(room, tenant_id, item.document, item.version, cut)
        content = opened[item.version]
        passage = content.text[item.start : item.end] if content is not None else ""
        quotes = tuple(passage[start:end] for start, end in source.quotes if passage[start:end].strip())
        sources.append(CitedSource(source.n, str(item.document), quotes))
    return tuple(sources)


def _content(room: Knowledge, tenant_id: uuid.UUID, document: uuid.UUID, version: uuid.UUID, cut: str | None) -> DocumentContent | None:
    try:
        return read_text(room.blobs, tenant_id, document, version, cut)
    except (KeyDestroyed, NotFound, SealBroken):
        return None


def _sentence(sentence: SentenceChecked, shown: str) -> dict[str, Any]:
    text = shown[sentence.start : sentence.end] if 0 <= sentence.start <= sentence.end else ""
    return {"verdict": sentence.verdict, "text": text, "sources": list(sentence.sources), "left_out": sentence.state == "left_out"}
