"""From words to what the index stores: a term is a keyed hash, so neither the index nor its thief can read a word.

Hashes are 64 bits of BLAKE2b (RFC 7693) under the tenant's term key. Two of a million distinct terms collide with a probability of
3 in 10^8; a collision only makes a foreign passage score. What the hash does not hide: how many passages share a term.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from ondol.application.knowledge.index.analyser import analyse, weight_of
from ondol.application.knowledge.index.stopwords import STOPWORDS

TERM_KEY_BYTES_MIN = 16
TERM_KEY_BYTES_MAX = 64

QUERY_TERMS_MAX = 256
"""A longer question is searched by its first terms; a page of text pasted as a question has about so many."""


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """One distinct term of a question.

    Attributes:
        term_hash: what the index stores for it.
        weight: how much it counts beside the others.
    """

    term_hash: int
    weight: float


def term_hash(term: str, term_key: bytes) -> int:
    """The keyed hash of a term, as a signed 64-bit integer.

    Raises:
        ValueError: the key has not 16 to 64 bytes.
    """
    if not TERM_KEY_BYTES_MIN <= len(term_key) <= TERM_KEY_BYTES_MAX:
        raise ValueError(f"a term key has {TERM_KEY_BYTES_MIN} to {TERM_KEY_BYTES_MAX} bytes, not {len(term_key)}")
    # A lone surrogate cannot be encoded strictly, and hostile text has them.
    digest = blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8, key=term_key, person=b"ondol-term").digest()
    return int.from_bytes(digest, "little", signed=True)


def query_words(text: str) -> list[str]:
    """The distinct terms of a question in their order, without words that only make it a question (unless there are no others)."""
    distinct = list(dict.fromkeys(analyse(text)))
    return ([term for term in distinct if term not in STOPWORDS] or distinct)[:QUERY_TERMS_MAX]


def query_terms(words: Iterable[str], term_key: bytes) -> list[QueryTerm]:
    """What `search` looks for, given the answer of `query_words`; item `i` belongs to word `i`."""
    return [QueryTerm(term_hash(word, term_key), weight_of(word)) for word in words]
