"""A document's sealed blobs: the original bytes, the text with its passages, and the passages of other cuts of the same text."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from ondol.application.knowledge.types import IndexSettings, Passage
from ondol.core.errors import NotFound
from ondol.infrastructure.storage.blobs import BlobInfo, KeyOwner, SealedBlobs

TEXT_BYTES_MAX = 256 * 1024 * 1024
KEPT_CHARACTERS_MAX = 4_000_000


FIRST_CUT = IndexSettings().cut
"""How a text was cut whose record does not say it: there was one way only."""

Places = tuple[tuple[int, int, tuple[str, ...], int | None], ...]
"""Where passages lie: start, end, the headings above, the page."""


class TextRecord(msgspec.Struct, frozen=True):
    """A version's text with where its passages lie by one cut; `version` is that of this record's form."""

    text: str
    passages: Places
    version: int = 1
    cut: str = FIRST_CUT


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


def passages_path(tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID, cut: str) -> str:
    """Where the sealed places of the passages of a further cut lie."""
    return f"{documents_prefix(tenant_id)}/{document_id}/{version_id}/passages-{cut}"


def write_text(
    blobs: SealedBlobs,
    tenant_id: uuid.UUID,
    document_id: uuid.UUID,
    version_id: uuid.UUID,
    text: str,
    passages: tuple[Passage, ...],
    cut: str = FIRST_CUT,
) -> BlobInfo:
    """Seal a version's text with its passages by one cut."""
    owner = KeyOwner(tenant_id, "document", document_id)
    kept = TextRecord(text, _places(passages), cut=cut)
    return blobs.put(owner, text_path(tenant_id, document_id, version_id), msgspec.msgpack.encode(kept))


def write_passages(
    blobs: SealedBlobs, tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID, passages: tuple[Passage, ...], cut: str
) -> BlobInfo:
    """Seal the passages of a further cut of a version's text."""
    owner = KeyOwner(tenant_id, "document", document_id)
    return blobs.put(owner, passages_path(tenant_id, document_id, version_id, cut), msgspec.msgpack.encode(_places(passages)))


def read_text(blobs: SealedBlobs, tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID, cut: str | None = None) -> DocumentContent:
    """Open a version's text.

    Args:
        cut: by which cut the passages are wanted; that of the text's own record when absent.

    Raises:
        KeyDestroyed: when the document was erased.
        NotFound: when the text is gone, or was never cut so (code ``cut_not_found``).
    """
    owner = KeyOwner(tenant_id, "document", document_id)
    sealed = blobs.read(owner, text_path(tenant_id, document_id, version_id), max_bytes=TEXT_BYTES_MAX)
    kept = msgspec.msgpack.decode(sealed, type=TextRecord)
    if cut is None or cut == kept.cut:
        return DocumentContent(kept.text, _passages(kept.passages))
    try:
        other = blobs.read(owner, passages_path(tenant_id, document_id, version_id, cut), max_bytes=TEXT_BYTES_MAX)
    except NotFound as error:
        raise NotFound("The text was never cut so.", "Build the index version.", code="cut_not_found") from error
    return DocumentContent(kept.text, _passages(msgspec.msgpack.decode(other, type=Places)))


def _places(passages: tuple[Passage, ...]) -> Places:
    return tuple((passage.start, passage.end, passage.heading_path, passage.page) for passage in passages)


def _passages(places: Places) -> tuple[Passage, ...]:
    return tuple(Passage(ordinal, start, end, headings, page) for ordinal, (start, end, headings, page) in enumerate(places))


class OpenedTexts:
    """Texts opened lately, at most `KEPT_CHARACTERS_MAX` of them in this process. Whoever takes one has had the hit confirmed first."""

    def __init__(self, blobs: SealedBlobs) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[tuple[uuid.UUID, str], DocumentContent] = OrderedDict()
        self._characters = 0

    def get(self, tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID, cut: str = FIRST_CUT) -> DocumentContent:
        """A version's text with its passages by one cut.

        Raises:
            KeyDestroyed: when the document was erased.
            NotFound: when the text, or its cut, is gone.
        """
        key = version_id, cut
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            return known
        content = read_text(self._blobs, tenant_id, document_id, version_id, cut)
        if len(content.text) <= KEPT_CHARACTERS_MAX // 4:
            self._kept[key] = content
            self._characters += len(content.text)
            while self._characters > KEPT_CHARACTERS_MAX:
                _, oldest = self._kept.popitem(last=False)
                self._characters -= len(oldest.text)
        return content

    def forget(self, version_ids: Collection[uuid.UUID]) -> None:
        """Drop the texts of some versions: they were erased."""
        for key in [key for key in list(self._kept) if key[0] in version_ids]:
            gone = self._kept.pop(key, None)
            self._characters -= len(gone.text) if gone is not None else 0
