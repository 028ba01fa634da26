"""Search that sees only what this person may read: filtered inside the index before ranking, and confirmed by Postgres afterwards."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from ondol.application.knowledge import store
from ondol.application.knowledge.content import FIRST_CUT
from ondol.application.knowledge.index import ANALYSER_ID, Hit, QueryTerm, query_words, rank, term_hash
from ondol.application.knowledge.index.analyser import weight_of
from ondol.application.knowledge.index.codes import QueryVector
from ondol.application.knowledge.index.vectors import nearest, vectors_of
from ondol.application.knowledge.index_versions.store import get_version
from ondol.application.knowledge.ranking import Stage, diversify, fuse, looked_at, stage_of
from ondol.application.knowledge.reranking import score_passages
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.types import EmbedderRef, Retrieval
from ondol.core.errors import Conflict, KeyDestroyed, NotFound, RequestError, UpstreamError
from ondol.infrastructure.access.types import Visible
from ondol.infrastructure.storage.lance import IndexPlace, SegmentGone, SegmentReader

REFRESHES_MAX = 8
"""So often a search begins anew because segments were replaced, or hits revoked, while it ran."""
KEPT_STATES_MAX = 1000
HITS_LOOKED_THROUGH_MAX = 1000
"""So many hits tell which documents hold the terms most often."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IndexState:
    """What of a base can be searched: its segments and the versions that are masked in them.

    Attributes:
        cut: how its documents are cut into passages.
        good_until: when a document next begins or ceases to be valid; None when no date is set.
        embedder: whose vectors the segments have; None for none.
        vectors: segments that have vectors, and the ids of these.
        retrieval: how the base is searched.
        number: of the index version.
    """

    revision: int
    place: IndexPlace
    cut: str
    segment_ids: tuple[uuid.UUID, ...]
    masked: Mapping[uuid.UUID, frozenset[uuid.UUID]]
    good_until: datetime | None
    embedder: EmbedderRef | None
    vectors: Mapping[uuid.UUID, uuid.UUID]
    retrieval: Retrieval
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage that was found, confirmed and opened.

    Attributes:
        hit: where it was found; its score is BM25 over what this caller may read, and 0 where only its vector was near or only another wording of
            the question found it.
        text: the passage.
        cut: by which cut of the document it is a passage.
        attached: it stands in a file that was brought to the conversation, and in no base.
    """

    hit: Hit
    version: store.ReadableVersion
    text: str
    headings: tuple[str, ...]
    page: int | None
    cut: str = FIRST_CUT
    attached: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of a search.

    Attributes:
        term_weights: each term of the question and its weight among what the caller may read.
        stages: what each stage of the search ranked; not confirmed, for evaluation.
        queries: so many questions were searched for.
        index_number: of the index version, among those of its base.
    """

    evidence: tuple[Evidence, ...]
    term_weights: Mapping[str, float]
    base_id: uuid.UUID
    index_version_id: uuid.UUID | None
    revision: int
    epoch: int
    stages: tuple[Stage, ...] = ()
    queries: int = 1
    index_number: int | None = None


class IndexStates:
    """The states of index versions asked lately; each is valid for one revision of its base and until the next validity date."""

    def __init__(self) -> None:
        self._known: OrderedDict[uuid.UUID, IndexState] = OrderedDict()

    def get(self, index_id: uuid.UUID, revision: int, now: datetime) -> IndexState | None:
        """The state, unless the base has moved on."""
        known = self._known.get(index_id)
        if known is None or known.revision != revision or (known.good_until is not None and known.good_until <= now):
            return None
        return known

    def put(self, index_id: uuid.UUID, state: IndexState) -> None:
        """Keep a state."""
        self._known[index_id] = state
        self._known.move_to_end(index_id)
        while len(self._known) > KEPT_STATES_MAX:
            self._known.popitem(last=False)

    def forget(self, index_id: uuid.UUID) -> None:
        """Read this version's state anew the next time."""
        self._known.pop(index_id, None)

    def forget_tenant(self, tenant_id: uuid.UUID) -> None:
        """Read all states of a tenant anew the next time: something of its was erased."""
        for index_id in [index_id for index_id, state in list(self._known.items()) if state.place.tenant_id == tenant_id]:
            self.forget(index_id)


async def search(
    room: Knowledge,
    states: IndexStates,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    base_id: uuid.UUID,
    question: str,
    *,
    limit: int,
    terms: Mapping[str, float] | None = None,
    beginnings: int = 0,
    index_id: uuid.UUID | None = None,
    retrieval: Retrieval | None = None,
) -> Found:
    """The best passages for a question among those that the person may read now.

    Args:
        limit: how many passages at most.
        terms: what to look for, with weights; by default the terms of the question.
        beginnings: of so many documents that hold the terms most often, the first passage as well, and of other passages that begin their
            document as many as hold the terms best; these come last.
        index_id: the index version to ask; the one that serves when absent.
        retrieval: how to search; as the base says when absent.

    Raises:
        NotFound: when the base is gone.
        Conflict: when its index was made by another analyser than ours, a part of it is lost, or documents changed again and again meanwhile.
    """
    refused: set[uuid.UUID] = set()
    lost: object = None
    asked: _Asked | None = None
    for _ in range(REFRESHES_MAX):
        now = room.clock()
        visible, base, state = await _state_of(room, states, tenant_id, person_id, base_id, index_id, now)
        if state is None:
            return Found((), {}, base.id, base.active_index_id, base.revision, visible.epoch, index_number=base.index_number)
        if retrieval is not None:
            state = replace(state, retrieval=retrieval)
        # An embedder is asked for an empty base too: else the time of it would tell that there are documents, closed as they may be.
        if asked is None or asked.embedder != state.embedder:
            words = terms or {term: weight_of(term) for term in query_words(question)}
            most = max(limit, state.retrieval.rerank_depth) if state.retrieval.reranker else limit
            asked = await _asked(room, tenant_id, state.embedder, question, words, most, beginnings)
        if not state.segment_ids:
            return Found((), {}, base.id, base.active_index_id, base.revision, visible.epoch, index_number=base.index_number)
        try:
            masked = _masked(state, refused)
            ranking = await asyncio.to_thread(_rank, room, tenant_id, state, masked, visible, asked)
        except SegmentGone:
            states.forget(state.place.index_version_id)
            if (state.segment_ids, state.vectors) == lost:
                raise _lost(base) from None
            lost = state.segment_ids, state.vectors
            continue
        hits = (*ranking.hits, *ranking.beginnings)
        evidence = await _confirm(room, tenant_id, state, visible, hits, now)
        if len(evidence) == len(hits):
            best, stages = await _reranked(room, tenant_id, state.retrieval, question, evidence[: len(ranking.hits)], limit)
            told = (base.id, state.place.index_version_id, base.revision, visible.epoch, (*ranking.stages, *stages))
            return Found((*best, *evidence[len(ranking.hits) :]), ranking.term_weights, *told, index_number=state.number)
        refused |= {hit.document_version_id for hit in hits} - {item.version.id for item in evidence}
        states.forget(state.place.index_version_id)
    raise Conflict("The documents changed again and again while they were searched.", "Try again shortly.", code="index_busy")


async def _reranked(
    room: Knowledge, tenant_id: uuid.UUID, retrieval: Retrieval, question: str, evidence: Sequence[Evidence], limit: int
) -> tuple[Sequence[Evidence], tuple[Stage, ...]]:
    """The best of passages that were just confirmed, by the reranker where one is set and answers."""
    if not retrieval.reranker:
        return evidence, ()
    texts = ["\n".join((item.version.details.title, item.text)) for item in evidence]
    scores, degraded = await score_passages(room.reranker_of, tenant_id, retrieval.reranker, question, texts)
    if degraded:
        return evidence[:limit], (Stage("rerank", (), degraded),)
    order = sorted(range(len(evidence)), key=lambda place: (-scores[place], place))
    return [evidence[place] for place in order[:limit]], (stage_of("rerank", ((evidence[place].hit, scores[place]) for place in order)),)


def _masked(state: IndexState, refused: AbstractSet[uuid.UUID]) -> Mapping[uuid.UUID, AbstractSet[uuid.UUID]]:
    """What is not to be found: what the index knows of, and what Postgres has refused to confirm in this search."""
    if not refused:
        return state.masked
    return {segment_id: frozenset(state.masked.get(segment_id, frozenset()) | refused) for segment_id in state.segment_ids}


def _lost(base: store.Base) -> Conflict:
    return Conflict(f"A part of the index of {base.name} is lost.", f"Rebuild it: `ondol index rebuild {base.name}`.", code="index_incomplete")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is looked for.

    Attributes:
        vector: the question's; None without an embedder, and where it is away.
        degraded: why there is none though there is an embedder.
    """

    embedder: EmbedderRef | None
    terms: Mapping[str, float]
    limit: int
    beginnings: int
    vector: QueryVector | None = None
    degraded: str = ""


async def _asked(
    room: Knowledge, tenant_id: uuid.UUID, embedder: EmbedderRef | None, question: str, terms: Mapping[str, float], limit: int, beginnings: int
) -> _Asked:
    """What is looked for, with the question's vector where it can be had: an embedder that is away costs the vectors, not the search."""
    asked = _Asked(embedder, terms, limit, beginnings)
    if embedder is None:
        return asked
    try:
        return replace(asked, vector=await room.embeddings.query(tenant_id, embedder, question))
    except (UpstreamError, RequestError) as error:
        _LOG.warning("searched without vectors", extra={"reason": error.code})
        return replace(asked, degraded=error.code)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """What the index answers: the best passages, those that begin documents, the weights of the terms, and what each stage said."""

    hits: tuple[Hit, ...]
    beginnings: tuple[Hit, ...]
    term_weights: Mapping[str, float]
    stages: tuple[Stage, ...]


def _rank(
    room: Knowledge, tenant_id: uuid.UUID, state: IndexState, masked: Mapping[uuid.UUID, AbstractSet[uuid.UUID]], visible: Visible, asked: _Asked
) -> _Ranked:
    key = room.tenant_key(tenant_id, "terms")
    readers = room.shelf.open(state.place, state.segment_ids)
    depth = max(asked.limit, state.retrieval.depth) if asked.vector is not None else asked.limit
    ranking = rank(
        room.shelf,
        readers,
        [QueryTerm(term_hash(term, key), weight) for term, weight in asked.terms.items()],
        visible.audience_ids,
        masked,
        limit=max(depth, HITS_LOOKED_THROUGH_MAX) if asked.beginnings else depth,
    )
    hits, stages = _put_together(room, state, readers, masked, visible, asked, ranking.hits[:depth])
    beginnings = _beginnings(ranking.hits, hits, asked.beginnings)
    return _Ranked(hits, tuple(beginnings), dict(zip(asked.terms, ranking.term_weights, strict=False)), stages)


def _put_together(
    room: Knowledge,
    state: IndexState,
    readers: Sequence[SegmentReader],
    masked: Mapping[uuid.UUID, AbstractSet[uuid.UUID]],
    visible: Visible,
    asked: _Asked,
    by_terms: Sequence[Hit],
) -> tuple[tuple[Hit, ...], tuple[Stage, ...]]:
    """The hits of the full text and those by vectors as one ranking."""
    full_text = stage_of("full_text", ((hit, hit.score) for hit in by_terms))
    if asked.embedder is None:
        return tuple(by_terms[: asked.limit]), (full_text,)
    if asked.vector is None:
        return tuple(by_terms[: asked.limit]), (full_text, Stage("vectors", (), asked.degraded))
    opened = room.shelf.vectors(state.place, state.vectors)
    near = nearest(room.shelf, readers, opened, asked.vector, visible.audience_ids, masked, limit=max(asked.limit, state.retrieval.depth))
    by_vectors = [item.hit for item in near]
    weight = state.retrieval.vector_weight
    fused = fuse([(by_terms, 1 - weight), (by_vectors, weight)], state.retrieval)
    stages: tuple[Stage, ...] = (full_text, stage_of("vectors", ((hit, hit.score) for hit in by_vectors)), stage_of("fusion", fused))
    if state.retrieval.diversity:
        candidates = fused[: looked_at(asked.limit)]
        known = vectors_of(room.shelf, opened, [hit for hit, _ in candidates])
        fused = diversify(candidates, known, state.retrieval.diversity, asked.limit)
        stages = (*stages, stage_of("diversity", fused))
    found_by_terms = {(hit.document_version_id, hit.passage_ordinal) for hit in by_terms}
    hits = [hit if (hit.document_version_id, hit.passage_ordinal) in found_by_terms else replace(hit, score=0.0) for hit, _ in fused[: asked.limit]]
    return tuple(hits), stages


def _beginnings(looked_through: Sequence[Hit], known: Sequence[Hit], count: int) -> list[Hit]:
    """The first passages, as far as they are not known, of the documents with the most hits, and the best of other first passages.

    A hit on another passage only tells of the document; where its first passage ends is known once that is opened.
    """
    of_document: dict[uuid.UUID, list[Hit]] = {}
    for hit in looked_through if count else ():
        of_document.setdefault(hit.document_version_id, []).append(hit)
    most = sorted(of_document.values(), key=lambda hits: (-len(hits), -hits[0].score, hits[0].document_version_id))[:count]
    begun = {hit.document_version_id for hit in known if hit.passage_ordinal == 0}
    firsts = (next((hit for hit in hits if hit.passage_ordinal == 0), replace(hits[0], passage_ordinal=0)) for hits in most)
    best = [hit for hit in looked_through[len(known) :] if hit.passage_ordinal == 0][:count]
    chosen = {hit.document_version_id: hit for hit in (*firsts, *best) if hit.document_version_id not in begun}
    return list(chosen.values())


async def read_beside(room: Knowledge, tenant_id: uuid.UUID, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The passages before and after each of these in the same section of its document, as far as they are not among them.

    They are of document versions that the person has just been confirmed to read, so nothing is asked again.
    """
    return await asyncio.to_thread(_open_beside, room, tenant_id, evidence)


def _open_beside(room: Knowledge, tenant_id: uuid.UUID, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    known = {(found.version.id, found.hit.passage_ordinal) for found in evidence}
    beside: list[Evidence] = []
    for found in evidence:
        try:
            passages = (content := room.texts.get(tenant_id, found.version.document_id, found.version.id, found.cut)).passages
        except (KeyDestroyed, NotFound):
            continue
        for ordinal in (found.hit.passage_ordinal - 1, found.hit.passage_ordinal + 1):
            if not 0 <= ordinal < len(passages) or (found.version.id, ordinal) in known or passages[ordinal].heading_path != found.headings:
                continue
            known.add((found.version.id, ordinal))
            passage = passages[ordinal]
            hit = replace(found.hit, passage_ordinal=ordinal, start=passage.start, end=passage.end)
            text = content.text[passage.start : passage.end]
            beside.append(replace(found, hit=hit, text=text, headings=passage.heading_path, page=passage.page))
    return tuple(beside)


async def _state_of(
    room: Knowledge, states: IndexStates, tenant_id: uuid.UUID, person_id: uuid.UUID, base_id: uuid.UUID, index_id: uuid.UUID | None, now: datetime
) -> tuple[Visible, store.Base, IndexState | None]:
    """One transaction: what the person may read, and what there is to search.

    Raises:
        Conflict: when the index was made by another analyser: its terms are not those that a question has here.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        visible = await room.visible.of(connection, tenant_id, person_id)
        base = await store.get_base(connection, base_id)
        asked, analyser_id, settings, number = base.active_index_id, base.analyser_id, base.settings, base.index_number
        if index_id is not None and index_id != asked:
            version = await get_version(connection, index_id)
            asked, analyser_id, settings, number = version.id, version.analyser_id, version.settings, version.number
        if asked is None:
            return visible, base, None
        if analyser_id != ANALYSER_ID:
            raise Conflict(
                f"The index of {base.name} was made by another version of the text analysis.",
                f"The job worker is building a new one; `ondol index rebuild {base.name}` does it now.",
                code="index_outdated",
            )
        state = states.get(asked, base.revision, now)
        if state is None:
            segments = await store.live_segments(connection, asked)
            state = IndexState(
                revision=base.revision,
                place=IndexPlace(tenant_id, base.id, asked),
                cut=settings.cut,
                segment_ids=tuple(segment_id for segment_id, _ in segments),
                masked=await store.masked_versions(connection, base.id, asked, now),
                good_until=await store.next_validity_change(connection, base.id, now),
                embedder=settings.embedder,
                vectors=await store.segment_vectors(connection, asked) if settings.embedder is not None else {},
                retrieval=base.retrieval,
                number=number,
            )
            states.put(asked, state)
        return visible, base, state


async def _confirm(
    room: Knowledge, tenant_id: uuid.UUID, state: IndexState, visible: Visible, hits: Sequence[Hit], now: datetime
) -> tuple[Evidence, ...]:
    """Ask the documents table, which is the authority, which hits may be shown, and open those."""
    if not hits:
        return ()
    async with room.database.tenant_tx(tenant_id) as connection:
        version_ids = {hit.document_version_id for hit in hits}
        readable = await store.readable_versions(connection, room.keyring, tenant_id, version_ids, visible.audience_ids, now)
    return await asyncio.to_thread(_open_all, room, tenant_id, state.cut, hits, readable)


def _open_all(
    room: Knowledge, tenant_id: uuid.UUID, cut: str, hits: Sequence[Hit], readable: Mapping[uuid.UUID, store.ReadableVersion]
) -> tuple[Evidence, ...]:
    opened: list[Evidence] = []
    for hit in hits:
        version = readable.get(hit.document_version_id)
        if version is None:
            continue
        try:
            content = room.texts.get(tenant_id, version.document_id, version.id, cut)
        except (KeyDestroyed, NotFound):
            continue
        passage = content.passages[hit.passage_ordinal]
        placed = hit if (hit.start, hit.end) == (passage.start, passage.end) else replace(hit, start=passage.start, end=passage.end)
        opened.append(Evidence(placed, version, content.text[passage.start : passage.end], passage.heading_path, passage.page, cut))
    return tuple(opened)
