"""The terms of an attachment's passages, sealed beside its text: no index holds them, so a question looks through all of them."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy
from numpy.typing import NDArray

from ondol.application.knowledge.content import TEXT_BYTES_MAX, documents_prefix
from ondol.application.knowledge.cuts import indexed_text
from ondol.application.knowledge.index import ANALYSER_ID, analyse, term_hash
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.types import IndexSettings
from ondol.infrastructure.storage.blobs import KeyOwner

CUT = IndexSettings(passage_chars=600, passage_chars_max=1200)
"""How attachments are cut, whatever bases are."""


class TermsRecord(msgspec.Struct, frozen=True):
    """Which term stands in which passage, and how often; each array as its bytes, little-endian.

    Attributes:
        hashes: int64, ascending; a term stands as often as passages have it.
        ordinals, frequencies: of the passage, uint32.
        lengths: of each passage in terms, uint32.
    """

    analyser: str
    hashes: bytes
    ordinals: bytes
    frequencies: bytes
    lengths: bytes
    version: int = 1


@dataclass(frozen=True, slots=True)
class PassageTerms:
    """The terms of a file's passages, opened; see `TermsRecord`."""

    hashes: NDArray[numpy.int64]
    ordinals: NDArray[numpy.uint32]
    frequencies: NDArray[numpy.uint32]
    lengths: NDArray[numpy.uint32]


def terms_path(tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID) -> str:
    """Where the sealed terms lie."""
    return f"{documents_prefix(tenant_id)}/{document_id}/{version_id}/terms"


def count_terms(passages: Sequence[Sequence[str]], term_key: bytes) -> PassageTerms:
    """The terms of passages by their keyed hashes.

    Args:
        passages: the terms of each, as `analyse` answers them.
    """
    hashed = {term: term_hash(term, term_key) for terms in passages for term in terms}
    entries = sorted((hashed[term], place, count) for place, terms in enumerate(passages) for term, count in Counter(terms).items())
    columns = numpy.array(entries, numpy.int64).reshape(-1, 3).T
    lengths = numpy.array([len(terms) for terms in passages], numpy.uint32)
    return PassageTerms(columns[0].copy(), columns[1].astype(numpy.uint32), columns[2].astype(numpy.uint32), lengths)


def write_terms(room: Knowledge, tenant_id: uuid.UUID, attachment_id: uuid.UUID, terms: PassageTerms) -> None:
    """Seal the terms of a file."""
    kept = TermsRecord(
        ANALYSER_ID,
        terms.hashes.astype("<i8").tobytes(),
        terms.ordinals.astype("<u4").tobytes(),
        terms.frequencies.astype("<u4").tobytes(),
        terms.lengths.astype("<u4").tobytes(),
    )
    owner = KeyOwner(tenant_id, "document", attachment_id)
    room.blobs.put(owner, terms_path(tenant_id, attachment_id, attachment_id), msgspec.msgpack.encode(kept))


def read_terms(room: Knowledge, tenant_id: uuid.UUID, attachment_id: uuid.UUID, title: str) -> PassageTerms:
    """The terms of a file; taken anew from its text where another version of the analyser took them.

    Raises:
        KeyDestroyed, NotFound: when it has gone.
    """
    owner = KeyOwner(tenant_id, "document", attachment_id)
    sealed = room.blobs.read(owner, terms_path(tenant_id, attachment_id, attachment_id), max_bytes=TEXT_BYTES_MAX)
    kept = msgspec.msgpack.decode(sealed, type=TermsRecord)
    if kept.analyser != ANALYSER_ID:
        content = room.texts.get(tenant_id, attachment_id, attachment_id, CUT.cut)
        passages = [analyse(indexed_text(title, content.text, passage)) for passage in content.passages]
        return count_terms(passages, room.tenant_key(tenant_id, "terms"))
    return PassageTerms(
        numpy.frombuffer(kept.hashes, "<i8").astype(numpy.int64),
        numpy.frombuffer(kept.ordinals, "<u4").astype(numpy.uint32),
        numpy.frombuffer(kept.frequencies, "<u4").astype(numpy.uint32),
        numpy.frombuffer(kept.lengths, "<u4").astype(numpy.uint32),
    )
