"""The passages that a question is answered from: the best that a search finds, and those that look as if they held an answer of its form."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ondol.application.assistant.forms import Form, form_of
from ondol.application.assistant.promise import graders, may_run_on, with_promising
from ondol.application.assistant.question import search_terms
from ondol.application.assistant.rewriting import Queries
from ondol.application.knowledge.ranking import Stage, fuse, stage_of
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.search import Evidence, Found, IndexStates, read_beside, search
from ondol.application.knowledge.types import Retrieval
from ondol.core.language import detect_language

EVIDENCE_MAX = 8
FUSED_MAX = 12
"""So many passages at most of what several questions found together."""
_BY_RANKS = Retrieval(fusion="ranks")
PROMISING_HITS_MAX = 40
SCATTERED_HITS_MAX = 80
"""Of so many the form of a question decides which are read beside the best; of more where lists and limits are asked for, whose words are common."""
DEFINITION_BEGINNINGS_MAX = 20
"""Who asks what a thing is shares one word with every passage about it, so beginnings of documents are looked through as well."""


async def find_evidence(
    room: Knowledge,
    states: IndexStates,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    base_id: uuid.UUID,
    question: str,
    index_id: uuid.UUID | None = None,
    retrieval: Retrieval | None = None,
) -> Found:
    """The passages that a question is answered from, best first; those that only look as if they answered it come last.

    Args:
        index_id: the index version to ask; the one that the base serves when absent.
        retrieval: how the base is searched; as it says itself when absent.
    """
    form, hits, beginnings = looking_for(question)
    terms = search_terms(question)
    by: dict[str, Any] = {"terms": terms, "beginnings": beginnings, "index_id": index_id, "retrieval": retrieval}
    found = await search(room, states, tenant_id, person_id, base_id, question, limit=hits, **by)
    return replace(found, evidence=await with_promised(room, tenant_id, form, question, found.evidence))


def looking_for(question: str) -> tuple[Form, int, int]:
    """The form of a question, how many hits are looked at for it, and how many beginnings of documents beside them."""
    form = form_of(question)
    scattered = form.listed is not None or form.counted is not None
    hits = SCATTERED_HITS_MAX if scattered else PROMISING_HITS_MAX if graders(form, question) else EVIDENCE_MAX
    return form, hits, DEFINITION_BEGINNINGS_MAX if form.subjects or form.counted is not None else 0


async def with_promised(room: Knowledge, tenant_id: uuid.UUID, form: Form, question: str, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """The best passages, and where the form of the question asks for it those that look as if they held an answer, with what stands beside them."""
    if not graders(form, question):
        return evidence
    evidence = with_promising(form, question, evidence, EVIDENCE_MAX, detect_language(question))
    running_on = may_run_on(form, evidence)
    beside = [item for item in await read_beside(room, tenant_id, running_on) if not any(_is_same(item, other) for other in evidence)]
    return (*evidence, *beside)


def _is_same(item: Evidence, other: Evidence) -> bool:
    return item.version.id == other.version.id and item.hit.passage_ordinal == other.hit.passage_ordinal


async def find_by_queries(
    room: Knowledge,
    states: IndexStates,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    base_id: uuid.UUID,
    queries: Queries,
    index_id: uuid.UUID | None = None,
    retrieval: Retrieval | None = None,
) -> Found:
    """The passages that a question and other wordings of it find, as one ranking; as `find_evidence` does where there are none.

    Every wording asks the index version that the question asked, with the same rights, and each has its own stage.
    """
    found = await find_evidence(room, states, tenant_id, person_id, base_id, queries.question, index_id, retrieval)
    if queries.degraded:
        return replace(found, stages=(*found.stages, Stage("queries", (), queries.degraded)))
    if not queries.others or found.index_version_id is None:
        return found
    place = room, states, tenant_id, person_id, base_id
    by: dict[str, Any] = {"limit": EVIDENCE_MAX, "index_id": found.index_version_id, "retrieval": retrieval}
    searches = (search(*place, query, terms=search_terms(query), **by) for query in queries.others)
    return put_together(found, await asyncio.gather(*searches))


def put_together(found: Found, others: Sequence[Found]) -> Found:
    """What several questions found, by reciprocal ranks; what only looked as if it answered the first still comes last.

    Revision and epoch are the latest of those that were searched in, so that they equal those of before only if nothing changed in between.
    """
    every = (found, *others)
    rankings = [[item.hit for item in one.evidence[:EVIDENCE_MAX]] for one in every]
    fused = fuse([(hits, 1.0) for hits in rankings], _BY_RANKS)
    own = {_key(item): item for item in found.evidence}
    new = {_key(item): replace(item, hit=replace(item.hit, score=0.0)) for one in others for item in one.evidence}
    opened = new | own
    best = [opened[hit.document_version_id, hit.passage_ordinal] for hit, _ in fused[:FUSED_MAX]]
    chosen = {_key(item) for item in best}
    beside = [item for item in found.evidence[EVIDENCE_MAX:] if _key(item) not in chosen]
    ranked = [
        replace(stage_of("query", ((hit, hit.score) for hit in hits)), degraded=next((stage.degraded for stage in one.stages if stage.degraded), ""))
        for one, hits in zip(every, rankings, strict=True)
    ]
    return replace(
        found,
        evidence=(*best, *beside),
        stages=(*found.stages, *ranked, stage_of("queries", fused)),
        revision=max(one.revision for one in every),
        epoch=max(one.epoch for one in every),
        queries=len(every),
    )


def _key(item: Evidence) -> tuple[uuid.UUID, int]:
    return item.version.id, item.hit.passage_ordinal
