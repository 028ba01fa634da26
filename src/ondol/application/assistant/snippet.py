"""A passage's own words as the answer at once, before a model has spoken: where one passage answers, and surely."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ondol.application.assistant.contradictions import find_contradiction
from ondol.application.assistant.extractive import extract
from ondol.application.assistant.sources import original_url
from ondol.application.knowledge.search import Evidence, Found
from ondol.infrastructure.serving.types import Snippet

SNIPPET_MIN = 0.9
"""The extractive model's probability that its sentences answer the question; docs/benchmarks.md has how often it is right."""


def find_snippet(question: str, found: Found, shown: Sequence[Evidence], shown_of: Callable[[str], str]) -> Snippet | None:
    """The sentences of one passage that answer a question; None where no passage does so surely, another says otherwise, or the guard minds.

    Args:
        shown: the first of the evidence as the guard lets it be read.
        shown_of: what the guard lets out of an answer.
    """
    draft = extract(question, found.evidence, found.term_weights)
    places = {sentence.source for sentence in draft.sentences}
    if draft.score < SNIPPET_MIN or len(places) != 1 or find_contradiction(draft.sentences, found.evidence) is not None:
        return None
    [place] = places
    text = " ".join(sentence.text for sentence in draft.sentences)
    if place >= len(shown) or any(sentence.text not in shown[place].text for sentence in draft.sentences) or shown_of(text) != text:
        return None
    item = found.evidence[place]
    source = {
        "document_id": str(item.version.document_id),
        "document_version_id": str(item.version.id),
        "title": item.version.details.title,
        "headings": list(item.headings),
        "page": item.page,
        "passage": item.hit.passage_ordinal,
        "original_url": original_url(item.version.id),
    }
    quotes = [{"start": sentence.start, "end": sentence.end} for sentence in draft.sentences]
    return Snippet(text, {"verdict": "supported", "probability": round(draft.score, 3), "source": source, "quotes": quotes})
