"""The passages that a question is answered from: the best that a search finds, and those that look as if they held an answer of its form."""

from __future__ import annotations

import uuid
from dataclasses import replace

from ondol.application.assistant.forms import form_of
from ondol.application.assistant.promise import graders, may_run_on, with_promising
from ondol.application.assistant.question import search_terms
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.search import Evidence, Found, IndexStates, read_beside, search
from ondol.core.language import detect_language

EVIDENCE_MAX = 8
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
) -> Found:
    """The passages that a question is answered from, best first; those that only look as if they answered it come last.

    Args:
        index_id: the index version to ask; the one that the base serves when absent.
    """
    form = form_of(question)
    looks_further = bool(graders(form, question))
    scattered = form.listed is not None or form.counted is not None
    hits = SCATTERED_HITS_MAX if scattered else PROMISING_HITS_MAX if looks_further else EVIDENCE_MAX
    beginnings = DEFINITION_BEGINNINGS_MAX if form.subjects or form.counted is not None else 0
    terms = search_terms(question)
    found = await search(room, states, tenant_id, person_id, base_id, question, limit=hits, terms=terms, beginnings=beginnings, index_id=index_id)
    if not looks_further:
        return found
    evidence = with_promising(form, question, found.evidence, EVIDENCE_MAX, detect_language(question))
    running_on = may_run_on(form, evidence)
    beside = [item for item in await read_beside(room, tenant_id, running_on) if not any(_is_same(item, other) for other in evidence)]
    return replace(found, evidence=(*evidence, *beside))


def _is_same(item: Evidence, other: Evidence) -> bool:
    return item.version.id == other.version.id and item.hit.passage_ordinal == other.hit.passage_ordinal
