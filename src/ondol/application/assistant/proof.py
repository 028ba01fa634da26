"""Whether a given answer is what its record says: what can be taken again is taken again, and the rest is covered by the record's digest.

The digest stands in an event of the signed ledger. So an altered record is found by its digest, and an altered document, passage, index version,
prompt or account by the record.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ondol.application.assistant.record import (
    EVENT,
    QUOTED,
    AnswerRecord,
    PassageRead,
    SentenceChecked,
    SnippetShown,
    parse_record,
    passage_hash,
    said_hash,
)
from ondol.application.assistant.store import answer_links, answer_row, open_answer
from ondol.application.assistant.verify import VERIFIER_ID, Passage, check_sentence, read_passage
from ondol.application.knowledge import store as documents
from ondol.application.knowledge.attachments.store import ATTACHED_VERSION, attached_titles, known_addresses
from ondol.application.knowledge.attachments.terms import CUT
from ondol.application.knowledge.content import DocumentContent, read_text
from ondol.application.knowledge.index_versions.store import get_version
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.prompts import load_prompt
from ondol.application.prompts.store import find_prompt
from ondol.core.canonical import digest
from ondol.core.errors import Conflict, KeyDestroyed, LedgerBroken, NotFound, SealBroken
from ondol.infrastructure.gateway.records.usage import get_request
from ondol.infrastructure.gateway.records.verify import check_record_proof, prove_record
from ondol.infrastructure.ledger import InclusionProof, PublicKeys, check_proof, prove
from ondol.infrastructure.storage.blobs import KeyOwner

Standing: TypeAlias = Literal["holds", "differs", "gone"]
Part: TypeAlias = Literal[
    "ledger",
    "record",
    "row",
    "links",
    "question",
    "answer",
    "documents",
    "passages",
    "index",
    "prompt",
    "verdicts",
    "guard",
    "cost",
    "snippet",
    "repeated",
]
DIFFERENCES_TOLD_MAX = 3
_STRUCK = re.compile(r"\A~~(.*)~~", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Finding:
    """How one part of an answer's record stands.

    Attributes:
        standing: `gone` where there is nothing left to compare with: erased, dropped, or checked by rules that this version does not have.
        why: empty where it holds.
    """

    part: Part
    standing: Standing
    why: str = ""


async def verify_answer(room: Knowledge, tenant_id: uuid.UUID, answer_id: uuid.UUID, public_keys: PublicKeys) -> list[Finding]:
    """Take everything again that can be.

    Args:
        public_keys: those that may have signed the ledger.

    Raises:
        NotFound: the tenant has no such answer.
        Conflict: its event or its request is not sealed yet.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        row = await answer_row(connection, answer_id)
        linked = await answer_links(connection, answer_id)
    event = await _event(room, tenant_id, answer_id)
    found = [_ledger(event, public_keys), _named(event, row)]
    try:
        kept = parse_record(row["provenance"])
    except Conflict:
        if found[1].standing == "holds":
            raise
        return found
    found += [_row(kept, row, event, tenant_id), _links(kept, linked)]
    shown, said = await asyncio.to_thread(_said, room, tenant_id, kept, row)
    contents = await asyncio.to_thread(_contents, room, tenant_id, kept)
    passages = [_Opened.of(item, contents.get(item.version)) for item in kept.evidence]
    found += [*said, await _documents(room, tenant_id, kept), await asyncio.to_thread(_passages, room, tenant_id, passages)]
    found += [await _index(room, tenant_id, kept), await _prompt(room, tenant_id, kept)]
    titles = await _titles(room, tenant_id, kept)
    found.append(await asyncio.to_thread(_verdicts, kept, shown, passages, titles))
    if kept.snippet is not None:
        found.append(await asyncio.to_thread(_snippet, room, tenant_id, kept, kept.snippet, passages))
    if kept.repeats is not None:
        found.append(await _repeated(room, tenant_id, kept, kept.repeats, shown))
    if kept.request:
        found += await _request(room, tenant_id, kept, public_keys)
    return found


async def _event(room: Knowledge, tenant_id: uuid.UUID, answer_id: uuid.UUID) -> InclusionProof | Finding:
    try:
        return await prove(room.database, tenant_id, answer_id)
    except NotFound:
        return Finding("ledger", "differs", "the ledger has no event of this answer")
    except LedgerBroken as error:
        return Finding("ledger", "differs", error.message)


def _ledger(event: InclusionProof | Finding, public_keys: PublicKeys) -> Finding:
    """Whether the answer's event is sealed in the signed chain."""
    if isinstance(event, Finding):
        return event
    try:
        check_proof(event, public_keys)
    except LedgerBroken as error:
        return Finding("ledger", "differs", error.message)
    return Finding("ledger", "holds")


def _named(event: InclusionProof | Finding, row: dict[str, Any]) -> Finding:
    """Whether the record is the one that the event names."""
    try:
        named = None if isinstance(event, Finding) else event.event.body.get("record")
        own = digest(row["provenance"]).hex()
    except TypeError:
        return Finding("record", "differs", "it holds what no record can hold")
    return Finding("record", "holds") if named == own else Finding("record", "differs", "the ledger names another digest")


def _row(kept: AnswerRecord, row: dict[str, Any], event: InclusionProof | Finding, tenant_id: uuid.UUID) -> Finding:
    """Whether the columns beside the record, and what the event says, are the record's."""
    told: dict[str, tuple[object, object]] = {
        "id": (row["id"], kept.answer),
        "assistant": (row["assistant_id"], kept.assistant),
        "person": (row["person_id"], kept.person),
        "outcome": (row["outcome"], kept.outcome),
        "created_at": (row["created_at"], kept.created_at),
    }
    if not isinstance(event, Finding):
        body = event.event.body
        told |= {
            "kind of the event": (event.event.kind, EVENT),
            "tenant of the event": (event.event.tenant_id, tenant_id),
            "actor of the event": (event.event.actor_id, kept.person),
            "answer of the event": (body.get("answer"), str(kept.answer)),
            "assistant of the event": (body.get("assistant"), str(kept.assistant)),
            "outcome of the event": (body.get("outcome"), kept.outcome),
            "cited of the event": (body.get("cited"), [str(version) for version in kept.cited]),
            "time of the event": (event.event.created_at, kept.created_at),
        }
    return _all("row", [name for name, (is_there, recorded) in told.items() if is_there != recorded])


def _links(kept: AnswerRecord, linked: Sequence[uuid.UUID]) -> Finding:
    """Whether the lineage leads to what was cited."""
    missing = [str(version) for version in kept.cited if version not in linked]
    extra = [str(version) for version in linked if version not in kept.cited]
    return _all("links", missing + extra)


def _said(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord, row: dict[str, Any]) -> tuple[str | None, list[Finding]]:
    """What was shown, opened, and whether it is that of the record."""
    try:
        key = room.keyring.get(KeyOwner(tenant_id, "subject", kept.person))
        question, shown = open_answer(key, row)
    except KeyDestroyed:
        return None, [Finding("question", "gone", "it was erased"), Finding("answer", "gone", "it was erased")]
    except (SealBroken, json.JSONDecodeError, KeyError, TypeError):
        return None, [Finding("question", "differs", "its seal is broken"), Finding("answer", "differs", "its seal is broken")]
    asked = [] if said_hash(key, "question", question) == kept.question else ["its text"]
    told = [] if said_hash(key, "answer", shown) == kept.shown else ["its text"]
    return shown, [_all("question", asked), _all("answer", told)]


def _contents(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord) -> dict[uuid.UUID, DocumentContent | SealBroken]:
    """The texts of the versions that are still there, from the store and not from memory."""
    opened: dict[uuid.UUID, DocumentContent | SealBroken] = {}
    for item in {item.version: item for item in kept.evidence}.values():
        version = item.version
        try:
            opened[version] = read_text(room.blobs, tenant_id, item.document, version, CUT.cut if item.attached else kept.index.cut)
        except (KeyDestroyed, NotFound):
            continue
        except SealBroken as error:
            opened[version] = error
    return opened


@dataclass(frozen=True, slots=True)
class _Opened:
    """A passage of the record and what stands there now; None where its text is gone."""

    item: PassageRead
    text: str | None
    headings: tuple[str, ...] = ()
    is_broken: bool = False

    @classmethod
    def of(cls, item: PassageRead, content: DocumentContent | SealBroken | None) -> _Opened:
        if content is None:
            return cls(item, None)
        if isinstance(content, SealBroken) or item.passage >= len(content.passages):
            return cls(item, None, is_broken=True)
        place = content.passages[item.passage]
        is_elsewhere = (place.start, place.end) != (item.start, item.end)
        return cls(item, content.text[place.start : place.end], place.heading_path, is_elsewhere)


def _passages(room: Knowledge, tenant_id: uuid.UUID, passages: Sequence[_Opened]) -> Finding:
    """Whether each passage stands in its sealed document as it stood."""
    wrong: list[str] = []
    gone: list[str] = []
    for number, passage in enumerate(passages, 1):
        item = passage.item
        if passage.is_broken:
            wrong.append(str(number))
        elif passage.text is None or not item.text:
            gone.append(str(number))
        else:
            try:
                key = room.keyring.get(KeyOwner(tenant_id, "document", item.document))
            except KeyDestroyed:
                gone.append(str(number))
                continue
            if passage_hash(key, passage.text) != item.text:
                wrong.append(str(number))
    return _all("passages", wrong, gone)


async def _documents(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord) -> Finding:
    """Whether the versions are of the same documents, with the same content and number, and the files of the conversation hold the same."""
    recorded = {item.version: (item.document, item.content, item.declared_version) for item in kept.evidence}
    recorded |= {file.attachment: (file.attachment, file.content, ATTACHED_VERSION) for file in kept.files}
    async with room.database.tenant_tx(tenant_id) as connection:
        known = await documents.version_addresses(connection, list(recorded))
        attached = await known_addresses(connection, list(recorded))
    there = {version: (document, content.hex(), number) for version, (document, content, number) in known.items()}
    there |= {version: (version, content.hex(), ATTACHED_VERSION) for version, content in attached.items()}
    wrong = [str(version) for version in recorded if version in there and there[version] != recorded[version]]
    return _all("documents", wrong, [str(version) for version in recorded if version not in there])


async def _titles(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord) -> dict[uuid.UUID, str]:
    """The titles of the versions that are still there: they stand above each passage when it is checked."""
    async with room.database.tenant_tx(tenant_id) as connection:
        titles = await documents.version_titles(connection, room.keyring, tenant_id, [item.version for item in kept.evidence])
        return titles | await attached_titles(connection, room.keyring, tenant_id, [file.attachment for file in kept.files], kept.person)


async def _index(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord) -> Finding:
    """Whether the index version is still there, of the same base, built with the same analyser and cut."""
    asked = kept.index
    if asked.version is None:
        return Finding("index", "holds")
    try:
        async with room.database.tenant_tx(tenant_id) as connection:
            version = await get_version(connection, asked.version)
    except NotFound:
        return Finding("index", "gone", "the version was dropped")
    wrong = [
        name
        for name, there, recorded in (
            ("base", version.base_id, asked.base),
            ("analyser", version.analyser_id, asked.analyser),
            ("cut", version.settings.cut, asked.cut or version.settings.cut),
        )
        if there != recorded
    ]
    return _all("index", wrong, ["the version was dropped"] if version.state == "dropped" and not wrong else [])


async def _prompt(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord) -> Finding:
    """Whether the prompt is the one that was used."""
    used = kept.prompt
    if used is None:
        return Finding("prompt", "holds")
    try:
        if used.version is None:
            prompt = load_prompt(used.name)
        else:
            async with room.database.tenant_tx(tenant_id) as connection:
                prompt = await find_prompt(connection, room.keyring, tenant_id, f"{used.name}@{used.version}")
    except (FileNotFoundError, NotFound):
        return Finding("prompt", "gone", "there is no such prompt")
    except (LedgerBroken, SealBroken):
        return Finding("prompt", "differs", "its seal is broken")
    return _all("prompt", [] if prompt.body.digest.hex() == used.digest else ["its text"])


def _verdicts(kept: AnswerRecord, shown: str | None, passages: Sequence[_Opened], titles: dict[uuid.UUID, str]) -> Finding:
    """Whether each sentence that was shown gets the same verdict again."""
    if not kept.sentences:
        return Finding("verdicts", "holds")
    if shown is None:
        return Finding("verdicts", "gone", "what was shown cannot be read")
    if kept.verifier not in (QUOTED, VERIFIER_ID):
        return Finding("verdicts", "gone", "they were given by rules that this version does not have")
    places = {source.n: source.evidence for source in kept.sources}
    wrong: list[str] = []
    gone: list[str] = []
    again = _quoted_again if kept.verifier == QUOTED else _checked_again(titles)
    for number, sentence in enumerate(kept.sentences, 1):
        cited = [passages[places[n]] if 0 <= places.get(n, -1) < len(passages) else None for n in sentence.sources]
        told = [one for one in cited if one is not None]
        if sentence.state != "shown" or len(told) < len(cited) or any(one.text is None or one.item.edited for one in told):
            gone += [str(number)] if sentence.state != "left_out" else []
        elif not again(sentence, shown[sentence.start : sentence.end], told):
            wrong.append(str(number))
    return _all("verdicts", wrong, gone)


_Again: TypeAlias = Callable[[SentenceChecked, str, Sequence[_Opened]], bool]


def _quoted_again(sentence: SentenceChecked, text: str, cited: Sequence[_Opened]) -> bool:
    """Whether a quote stands in its passage, word for word."""
    return all(
        text.startswith((cited[sentence.sources.index(n)].text or "")[start:end]) for n, start, end in sentence.spans if n in sentence.sources
    ) and (sentence.verdict, sentence.coverage_thousandths) == ("supported", 1000)


def _checked_again(titles: dict[uuid.UUID, str]) -> _Again:
    read: dict[tuple[uuid.UUID, int], Passage] = {}

    def passage_of(one: _Opened) -> Passage:
        key = one.item.version, one.item.passage
        if key not in read:
            read[key] = read_passage(one.text or "", (titles.get(one.item.version, ""), *one.headings))
        return read[key]

    def again(sentence: SentenceChecked, text: str, cited: Sequence[_Opened]) -> bool:
        bare = text if sentence.verdict == "supported" else _STRUCK.sub(r"\1", text)
        verified = check_sentence(bare, [passage_of(one) for one in cited])
        spans = tuple((sentence.sources[span.source], span.start, span.end) for span in verified.spans)
        reasons = tuple(sorted({reason.kind for reason in verified.reasons}))
        made = (verified.verdict, round(verified.coverage * 1000), spans, reasons)
        return made == (sentence.verdict, sentence.coverage_thousandths, sentence.spans, sentence.reasons)

    return again


def _snippet(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord, told: SnippetShown, passages: Sequence[_Opened]) -> Finding:
    """Whether the words that were shown at once stand in their passage."""
    if not 0 <= told.evidence < len(passages):
        return Finding("snippet", "differs", "it names no passage")
    text = passages[told.evidence].text
    try:
        key = room.keyring.get(KeyOwner(tenant_id, "subject", kept.person))
    except KeyDestroyed:
        return Finding("snippet", "gone", "it was erased")
    if text is None:
        return Finding("snippet", "gone", "its passage cannot be read")
    words = " ".join(text[start:end] for start, end in told.quotes)
    return _all("snippet", [] if said_hash(key, "snippet", words) == told.text else ["its words"])


_AS_BEFORE = ("assistant", "release", "language", "index", "evidence", "sources", "cited", "model", "provider", "prompt", "verifier", "queries")
"""What an answer that is given again has of the one before."""


async def _repeated(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord, first_id: uuid.UUID, shown: str | None) -> Finding:
    """Whether the answer that was given again is the one before: resting on the same, and saying the same, where its asker was not erased."""
    try:
        async with room.database.tenant_tx(tenant_id) as connection:
            row = await answer_row(connection, first_id)
    except NotFound:
        return Finding("repeated", "gone", "the answer before is not on record")
    named = _named(await _event(room, tenant_id, first_id), row)
    if named.standing != "holds":
        return Finding("repeated", "differs", f"the record of the answer before: {named.why}")
    try:
        first = parse_record(row["provenance"])
    except Conflict as error:
        return Finding("repeated", "gone", error.message)
    wrong = [name for name in _AS_BEFORE if getattr(first, name) != getattr(kept, name)]
    if first.repeats is not None or first.created_at > kept.created_at:
        wrong.append("which came first")
    try:
        key = await asyncio.to_thread(room.keyring.get, KeyOwner(tenant_id, "subject", first.person))
    except KeyDestroyed:
        return _all("repeated", wrong, ["the words of the answer before were erased"])
    # What was written is known where all of it was shown.
    if shown is not None and kept.shown == kept.written and said_hash(key, "answer", shown) != first.written:
        wrong.append("its words")
    return _all("repeated", wrong)


async def _request(room: Knowledge, tenant_id: uuid.UUID, kept: AnswerRecord, public_keys: PublicKeys) -> list[Finding]:
    """Whether the gateway's record of the request says the same of policy and cost, and is itself what was recorded."""
    try:
        async with room.database.tenant_tx(tenant_id) as connection:
            request = await get_request(connection, kept.answer)
    except NotFound:
        return [Finding("guard", "gone", "the request is not on record"), Finding("cost", "gone", "the request is not on record")]
    try:
        check_record_proof(await prove_record(room.database, tenant_id, kept.answer), public_keys)
        broken: list[str] = []
    except (LedgerBroken, NotFound) as error:
        broken = [error.message]
    policy = request.guard_policy.hex() if request.guard_policy else None
    guard = [] if kept.guard is None or kept.guard.policy == policy else ["the policy"]
    cost = None if kept.cost is None else (kept.cost.nano, kept.cost.currency)
    taken = None if request.cost_nano is None else (request.cost_nano, request.currency)
    return [_all("guard", guard + broken), _all("cost", ([] if cost == taken else ["the amount"]) + broken)]


def _all(part: Part, wrong: Sequence[str], gone: Sequence[str] = ()) -> Finding:
    if wrong:
        return Finding(part, "differs", _listed(wrong))
    return Finding(part, "gone", _listed(gone)) if gone else Finding(part, "holds")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - DIFFERENCES_TOLD_MAX
    return ", ".join(names[:DIFFERENCES_TOLD_MAX]) + (f" and {more} more" if more > 0 else "")
