"""The record of an answer: who asked, what it rests on, who checked it and what of it was shown; without words, and named by its digest.

It is written once, when it is known what went out. The digest stands in the event `answer.given` of the same id, so that whoever alters the
record afterwards must alter the ledger too. Words are in it as keyed hashes only: those of the question and the answer under the asker's key, those
of passages under their document's, so that they tell nothing any more once that key is destroyed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

import msgspec

from ondol.application.assistant.store import add_answer
from ondol.application.assistant.types import Assistant, Outcome, Source
from ondol.application.assistant.verify import Checked
from ondol.application.knowledge.attachments.store import Attachment
from ondol.application.knowledge.index import ANALYSER_ID
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.search import Evidence, Found
from ondol.application.knowledge.store import ReadableVersion
from ondol.application.prompts import Language, Prompt
from ondol.core.canonical import digest, keyed_digest
from ondol.core.errors import Conflict, KeyDestroyed
from ondol.core.money import Currency
from ondol.infrastructure.ledger import Link, NewArtefact, add_artefacts, add_links, record
from ondol.infrastructure.serving.types import Shown, Snippet, Usage
from ondol.infrastructure.storage.blobs import DataKey, KeyOwner, KeyRing

FORM = 2
EVENT = "answer.given"
QUOTED = "quoted"
"""Stands for the verifier where sentences are passages' own words."""
SentenceState: TypeAlias = Literal["shown", "changed", "left_out"]


class PassageRead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A passage that the answer was made from.

    Attributes:
        version, content: of the document's version, its id and its content address.
        passage, start, end: its place by the cut of the index.
        text: keyed hash of its text; empty when it was erased while the answer was written.
        edited: the guard took something out before a model was shown it.
        attached: it stands in a file of the conversation, whose id both `document` and `version` are.
    """

    document: uuid.UUID
    version: uuid.UUID
    declared_version: int
    content: str
    passage: int
    start: int
    end: int
    text: str
    score_thousandths: int
    edited: bool
    attached: bool = False


class FileAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the conversation that was asked about, with its content address."""

    attachment: uuid.UUID
    content: str


class SourceCited(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source by its number in the answer: which of the passages, and the spans of its text that the answer rests on."""

    n: int
    evidence: int
    quotes: tuple[tuple[int, int], ...]


class SentenceChecked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sentence and what was found. `start` and `end` are in the text that was shown, -1 where the guard changed it or it was left out."""

    state: SentenceState
    start: int
    end: int
    verdict: str
    coverage_thousandths: int
    sources: tuple[int, ...]
    spans: tuple[tuple[int, int, int], ...]
    reasons: tuple[str, ...]


class SnippetShown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A passage's own words that were shown before the model had spoken.

    Attributes:
        evidence: which of the passages; `quotes` are the spans of its text.
        text: keyed hash of the words, joined by spaces, under the asker's key.
    """

    evidence: int
    quotes: tuple[tuple[int, int], ...]
    text: str
    probability_thousandths: int


class IndexAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The index version that was searched."""

    base: uuid.UUID
    version: uuid.UUID | None
    analyser: str
    cut: str | None


class PromptUsed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prompt; `version` is null for those that ship with the platform."""

    name: str
    version: int | None
    digest: str


class GuardSeen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the guard decided, and under which policy."""

    policy: str
    decision: str


class CostTaken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the request cost, in nano-units."""

    nano: int
    currency: Currency


class AnswerRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is recorded of an answer. Numbers are whole: shares in thousandths, times in microseconds.

    Attributes:
        question, written, shown: keyed hashes of what was asked, what was written, and what of it went out.
        request: it came through the gateway, whose record of the request has the same id.
        verifier: the rules that checked it; `quoted` for passages' own words.
        queries: so many questions were searched for: more than one where a model worded it in other ways.
        repeats: the answer that was given before, and was given again as this one.
        snippet: what was shown at once.
        files: the files of the conversation that were asked about.
        alone: the base was not.
    """

    form: int
    answer: uuid.UUID
    assistant: uuid.UUID
    person: uuid.UUID
    thread: uuid.UUID | None
    release: uuid.UUID | None
    outcome: Outcome
    language: str
    created_at: datetime
    question: str
    written: str
    shown: str
    request: bool
    index: IndexAsked
    evidence: tuple[PassageRead, ...]
    sources: tuple[SourceCited, ...]
    cited: tuple[uuid.UUID, ...]
    model: str
    provider: str
    prompt: PromptUsed | None
    verifier: str
    sentences: tuple[SentenceChecked, ...]
    guard: GuardSeen | None
    search_us: int
    write_us: int
    total_us: int
    input_tokens: int
    output_tokens: int
    usage_estimated: bool
    cost: CostTaken | None
    queries: int = 1
    repeats: uuid.UUID | None = None
    snippet: SnippetShown | None = None
    files: tuple[FileAsked, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """What was asked and found, before anything was written.

    Attributes:
        id: of the answer, which is the request's.
        thread_id: of the thread in which it was asked.
        files: of that thread.
        alone: the base was not asked.
    """

    id: uuid.UUID
    tenant_id: uuid.UUID
    person_id: uuid.UUID
    assistant: Assistant
    question: str
    language: Language
    found: Found
    search_us: int
    thread_id: uuid.UUID | None = None
    files: Sequence[Attachment] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What was written, and on what it rests.

    Attributes:
        provider: who serves the model.
        verifier: the rules that checked it; `QUOTED` for passages' own words.
        nearest: the documents that a refusal names.
        contradictions: the sources that do not agree, as the asker is told.
        edited: indexes of the evidence that a model was shown otherwise than it stands.
        repeats: the answer that is given again.
        snippet: what was shown before.
    """

    text: str
    sources: Sequence[Source]
    outcome: Outcome
    usage: Usage
    checked: Sequence[Checked] = ()
    model: str = "extractive"
    provider: str = "ondol"
    prompt: Prompt | None = None
    verifier: str = QUOTED
    edited: frozenset[int] = frozenset()
    nearest: Sequence[ReadableVersion] = ()
    contradictions: Sequence[Mapping[str, Any]] = ()
    repeats: uuid.UUID | None = None
    snippet: Snippet | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as it was written: all that its record is made of, before it is known what of it went out."""

    asking: Asking
    answered: Answered
    write_us: int


def grounds_of(found: Found, answered: Answered) -> frozenset[uuid.UUID]:
    """The document versions that may have left words in an answer: what a model was shown, what is quoted, or what a refusal names."""
    if answered.outcome == "refused":
        return frozenset(version.id for version in answered.nearest)
    behind = found.evidence if answered.prompt is not None else [source.evidence for source in answered.sources]
    return frozenset(item.version.id for item in behind)


Keep: TypeAlias = Callable[[Given], Awaitable[None]]


async def keep_answer(room: Knowledge, given: Given, shown: Shown | None = None) -> None:
    """Keep an answer with its record, say so in the ledger, and link it to the document versions that it rests on.

    Args:
        shown: what of it went out; as it was written when absent.

    Raises:
        DatabaseAway: Postgres does not answer.
    """
    asking, answered, now = given.asking, given.answered, room.clock()
    kept = shown or Shown(answered.text, asking.search_us + given.write_us)
    key = await asyncio.to_thread(room.keyring.get_or_create, KeyOwner(asking.tenant_id, "subject", asking.person_id))
    made = await asyncio.to_thread(_record_of, room.keyring, key, given, kept, now, is_request=shown is not None)
    written = plain_record(made)
    async with room.database.tenant_tx(asking.tenant_id) as connection:
        await add_answer(
            connection,
            key,
            asking.tenant_id,
            answer_id=asking.id,
            assistant_id=asking.assistant.id,
            person_id=asking.person_id,
            outcome=answered.outcome,
            question=asking.question,
            text=kept.text,
            provenance=written,
            shown=[item.hit.document_version_id for item in asking.found.evidence],
            now=now,
        )
        artefacts = [NewArtefact(id=asking.id, kind="answer"), NewArtefact(id=asking.person_id, kind="subject")]
        await add_artefacts(connection, asking.tenant_id, artefacts, now)
        links = [Link(asking.id, version_id, "cites") for version_id in made.cited]
        await add_links(connection, asking.tenant_id, [*links, Link(asking.id, asking.person_id, "about")], now)
        body = {"answer": asking.id, "assistant": asking.assistant.id, "outcome": answered.outcome, "cited": made.cited, "record": digest(written)}
        await record(connection, asking.tenant_id, kind=EVENT, actor_id=asking.person_id, body=body, now=now, event_id=asking.id)


def plain_record(made: AnswerRecord) -> dict[str, Any]:
    """A record as it is stored and shown, and as its digest is taken: SHA-256 of its canonical JSON."""
    return cast("dict[str, Any]", msgspec.to_builtins(made))


def parse_record(stored: Mapping[str, Any]) -> AnswerRecord:
    """A record as it was stored.

    Raises:
        Conflict: when it is from before records had this form, or none at all.
    """
    try:
        found = msgspec.convert(stored, AnswerRecord)
    except msgspec.ValidationError:
        found = None
    if found is None or found.form != FORM:
        raise Conflict("The answer's record has a form that this version does not know.", "It was given by another version.", code="answer_form")
    return found


def said_hash(key: DataKey, what: Literal["question", "answer", "snippet"], text: str) -> str:
    """The keyed hash of what somebody asked, was answered or was shown at once, under their own key."""
    return keyed_digest(key.derive("answer"), what, text.encode("utf-8", "surrogatepass")).hex()


def passage_hash(key: DataKey, text: str) -> str:
    """The keyed hash of a passage, under its document's key."""
    return keyed_digest(key.derive("answer"), "passage", text.encode("utf-8", "surrogatepass")).hex()


def _record_of(keyring: KeyRing, key: DataKey, given: Given, shown: Shown, now: datetime, *, is_request: bool) -> AnswerRecord:
    asking, answered = given.asking, given.answered
    found, evidence, prompt = asking.found, asking.found.evidence, answered.prompt
    return AnswerRecord(
        form=FORM,
        answer=asking.id,
        assistant=asking.assistant.id,
        person=asking.person_id,
        thread=asking.thread_id,
        release=asking.assistant.release_id,
        outcome=answered.outcome,
        language=asking.language,
        created_at=now,
        question=said_hash(key, "question", asking.question),
        written=said_hash(key, "answer", answered.text),
        shown=said_hash(key, "answer", shown.text),
        request=is_request,
        index=IndexAsked(found.base_id, found.index_version_id, ANALYSER_ID, next((item.cut for item in evidence if not item.attached), None)),
        evidence=tuple(_read(keyring, asking.tenant_id, item, is_edited=place in answered.edited) for place, item in enumerate(evidence)),
        sources=tuple(SourceCited(source.number, _place_of(evidence, source.evidence), source.quotes) for source in answered.sources),
        cited=tuple(dict.fromkeys(source.evidence.version.id for source in answered.sources)),
        model=answered.model,
        provider=answered.provider,
        prompt=PromptUsed(prompt.name, prompt.version, prompt.digest.hex()) if prompt is not None else None,
        verifier=answered.verifier,
        sentences=_sentences(answered.text, shown.text, answered.checked),
        guard=GuardSeen(shown.guard_policy.hex(), shown.guard_decision) if shown.guard_policy is not None else None,
        search_us=asking.search_us,
        write_us=given.write_us,
        total_us=shown.total_us,
        input_tokens=answered.usage.input_tokens,
        output_tokens=answered.usage.output_tokens,
        usage_estimated=answered.usage.estimated,
        cost=CostTaken(shown.cost.nano, shown.cost.currency) if shown.cost is not None else None,
        queries=found.queries,
        repeats=answered.repeats,
        snippet=_snippet(key, evidence, answered.snippet) if answered.snippet is not None else None,
        files=tuple(FileAsked(file.id, file.content_address.hex()) for file in asking.files),
        alone=asking.alone,
    )


def _snippet(key: DataKey, evidence: Sequence[Evidence], told: Snippet) -> SnippetShown:
    source = told.about["source"]
    where = source["document_version_id"], source["passage"]
    place = next(place for place, item in enumerate(evidence) if (str(item.version.id), item.hit.passage_ordinal) == where)
    quotes = tuple((quote["start"], quote["end"]) for quote in told.about["quotes"])
    return SnippetShown(place, quotes, said_hash(key, "snippet", told.text), round(told.about["probability"] * 1000))


def _read(keyring: KeyRing, tenant_id: uuid.UUID, item: Evidence, *, is_edited: bool) -> PassageRead:
    hit, version = item.hit, item.version
    try:
        text = passage_hash(keyring.get(KeyOwner(tenant_id, "document", version.document_id)), item.text)
    except KeyDestroyed:  # erased while the answer was written
        text = ""
    return PassageRead(
        document=version.document_id,
        version=version.id,
        declared_version=version.declared_version,
        content=bytes(version.content_address).hex(),
        passage=hit.passage_ordinal,
        start=hit.start,
        end=hit.end,
        text=text,
        score_thousandths=round(hit.score * 1000),
        edited=is_edited,
        attached=item.attached,
    )


def _place_of(evidence: Sequence[Evidence], item: Evidence) -> int:
    return next(place for place, other in enumerate(evidence) if other is item)


def _sentences(written: str, shown: str, checked: Sequence[Checked]) -> tuple[SentenceChecked, ...]:
    """The sentences where they stand in what was shown, which the guard may have changed."""
    found: list[SentenceChecked] = []
    after = 0
    for one in checked:
        state: SentenceState = "left_out"
        start = -1
        if not one.is_left_out:
            start = shown.find(written[one.start : one.end], after)
            state = "shown" if start >= 0 else "changed"
        end = start + one.end - one.start if start >= 0 else -1
        after = max(after, end)
        found.append(
            SentenceChecked(
                state=state,
                start=start,
                end=end,
                verdict=one.verdict,
                coverage_thousandths=round(one.coverage * 1000),
                sources=one.numbers,
                spans=tuple((span.source, span.start, span.end) for span in one.spans),
                reasons=tuple(sorted({reason.kind for reason in one.reasons})),
            )
        )
    return tuple(found)
