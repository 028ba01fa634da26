"""A document's passages with their terms, as index versions hold them: cut from a file, or taken from what was sealed of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from ondol.application.knowledge import store
from ondol.application.knowledge.content import DocumentContent, original_path, read_text, write_passages
from ondol.application.knowledge.index import IndexedDocument, IndexedPassage, analyse
from ondol.application.knowledge.parsing import INPUT_BYTES_MAX, parse
from ondol.application.knowledge.passages import cut_passages
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.types import IndexSettings, ParsedDocument, Passage
from ondol.core.errors import NotFound, UnreadableDocument
from ondol.infrastructure.storage.blobs import KeyOwner


@dataclass(frozen=True, slots=True)
class Cut:
    """The passages of a document by one cut, and the terms of each."""

    passages: tuple[Passage, ...]
    terms: tuple[list[str], ...]

    def indexed(self, version_id: uuid.UUID, audience_id: uuid.UUID) -> IndexedDocument:
        """What an index holds of it."""
        return IndexedDocument(
            version_id,
            [
                IndexedPassage(passage.ordinal, passage.start, passage.end, audience_id, terms)
                for passage, terms in zip(self.passages, self.terms, strict=True)
            ],
        )


def cut_document(document: ParsedDocument, title: str, settings: IndexSettings) -> Cut:
    """Cut a document and analyse its passages."""
    passages = cut_passages(document, target_chars=settings.passage_chars, max_chars=settings.passage_chars_max)
    return _analysed(title, document.text, passages)


def cut_sealed(room: Knowledge, tenant_id: uuid.UUID, version: store.SealedVersion, settings: IndexSettings) -> Cut:
    """The cut of a document version that was taken in before, from its sealed text; its terms are taken anew.

    A cut that the text does not have yet is made from the original and sealed. Where the original reads otherwise than it did (a parser has
    changed since), the passages of the text's own cut are taken: offsets are those of the sealed text until the file is taken in again.

    Raises:
        KeyDestroyed: when the document was erased.
        NotFound: when its blobs are gone.
    """
    details = store.open_details(room.keyring, tenant_id, version.document_id, version.id, version.details_sealed)
    place = tenant_id, version.document_id, version.id
    try:
        content = read_text(room.blobs, *place, settings.cut)
    except NotFound as error:
        if error.code != "cut_not_found":
            raise
        content = _cut_again(room, place, details.path, settings)
        write_passages(room.blobs, *place, content.passages, settings.cut)
    return _analysed(details.title, content.text, content.passages)


def _cut_again(room: Knowledge, place: tuple[uuid.UUID, uuid.UUID, uuid.UUID], path: str, settings: IndexSettings) -> DocumentContent:
    sealed = read_text(room.blobs, *place)
    data = room.blobs.read(KeyOwner(place[0], "document", place[1]), original_path(*place), max_bytes=INPUT_BYTES_MAX)
    try:
        document = parse(path, data)
    except UnreadableDocument:
        return sealed
    if document.text != sealed.text:
        return sealed
    return DocumentContent(sealed.text, cut_passages(document, target_chars=settings.passage_chars, max_chars=settings.passage_chars_max))


def _analysed(title: str, text: str, passages: Sequence[Passage]) -> Cut:
    return Cut(tuple(passages), tuple(analyse(indexed_text(title, text, passage)) for passage in passages))


def indexed_text(title: str, text: str, passage: Passage) -> str:
    """What a passage is found by: the title and the headings above it, then its own text."""
    above = [title, *(heading for heading in passage.heading_path if heading != title)]
    return "\n".join([*above, text[passage.start : passage.end]])
