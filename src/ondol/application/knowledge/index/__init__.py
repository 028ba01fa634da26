"""The lexical index of a knowledge base: text to terms, terms to segments, and search that sees only what its caller may read."""

from __future__ import annotations

from ondol.application.knowledge.index.analyser import ANALYSER_ID, analyse
from ondol.application.knowledge.index.build import IndexedDocument, IndexedPassage, SegmentLimits, build_segments
from ondol.application.knowledge.index.search import HITS_MAX, Bm25, Hit, Ranking, bm25_scores, idf, rank, search
from ondol.application.knowledge.index.terms import QueryTerm, query_terms, query_words, term_hash

__all__ = [
    "ANALYSER_ID",
    "HITS_MAX",
    "Bm25",
    "Hit",
    "IndexedDocument",
    "IndexedPassage",
    "QueryTerm",
    "Ranking",
    "SegmentLimits",
    "analyse",
    "bm25_scores",
    "build_segments",
    "idf",
    "query_terms",
    "query_words",
    "rank",
    "search",
    "term_hash",
]
