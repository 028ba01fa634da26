"""A document's sealed blobs: the original bytes, and the text with its passages."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from ondol.application.knowledge.types import Passage
from ondol.infrastructure.storage.blobs import BlobInfo, KeyOwner, SealedBlobs

TEXT_BYTES_MAX = 256 * 1024 * 1024
KEPT_CHARACTERS_MAX = 4_000_000


class TextRecord(msgspec.Struct, frozen=True):
    """A version's text with where its passages lie; `version` is that of this record's form."""

    text: str
    passages: tuple[tuple[int, int, tuple[str, ...], int | None], ...]
    version: int = 1


@dataclass(frozen=True, slots=True)
class DocumentContent:
    """A version's text and passages, opened."""

    text: str
    passages: tuple[Passage, ...]


def documents_prefix(tenant_id: uuid.UUID) -> str:
    """Below it lie the sealed blobs of all documents of a tenant, as `<document>/<version>/<what>`."""
    return f"{tenant_id}/documents"


def original_path(tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID) -> str:
    """Where the original's sealed bytes lie."""
    return f"{documents_prefix(tenant_id)}/{document_id}/{version_id}/original"


def text_path(tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID) -> str:
    """Where the sealed text lies."""
    return f"{documents_prefix(tenant_id)}/{document_id}/{version_id}/text"


def write_text(
    blobs: SealedBlobs, tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID, text: str, passages: tuple[Passage, ...]
) -> BlobInfo:
    """Seal a version's text with its passages."""
    kept = TextRecord(text, tuple((passage.start, passage.end, passage.heading_path, passage.page) for passage in passages))
    owner = KeyOwner(tenant_id, "document", document_id)
    return blobs.put(owner, text_path(tenant_id, document_id, version_id), msgspec.msgpack.encode(kept))


def read_text(blobs: SealedBlobs, tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID) -> DocumentContent:
    """Open a version's text.

    Raises:
        KeyDestroyed: when the document was erased.
    """
    owner = KeyOwner(tenant_id, "document", document_id)
    sealed = blobs.read(owner, text_path(tenant_id, document_id, version_id), max_bytes=TEXT_BYTES_MAX)
    kept = msgspec.msgpack.decode(sealed, type=TextRecord)
    passages = tuple(Passage(ordinal, start, end, headings, page) for ordinal, (start, end, headings, page) in enumerate(kept.passages))
    return DocumentContent(kept.text, passages)


class OpenedTexts:
    """Texts opened lately, at most `KEPT_CHARACTERS_MAX` of them in this process. Whoever takes one has had the hit confirmed first."""

    def __init__(self, blobs: SealedBlobs) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[uuid.UUID, DocumentContent] = OrderedDict()
        self._characters = 0

    def get(self, tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID) -> DocumentContent:
        """A version's text.

        Raises:
            KeyDestroyed: when the document was erased.
        """
        known = self._kept.get(version_id)
        if known is not None:
            self._kept.move_to_end(version_id)
            return known
        content = read_text(self._blobs, tenant_id, document_id, version_id)
        if len(content.text) <= KEPT_CHARACTERS_MAX // 4:
            self._kept[version_id] = content
            self._characters += len(content.text)
            while self._characters > KEPT_CHARACTERS_MAX:
                _, oldest = self._kept.popitem(last=False)
                self._characters -= len(oldest.text)
        return content
