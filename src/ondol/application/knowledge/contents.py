"""Where a version's content comes from: a file that is read now, or what was sealed of another version."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ondol.application.knowledge import store
from ondol.application.knowledge.committing import VersionPlace
from ondol.application.knowledge.content import original_path, read_text, write_text
from ondol.application.knowledge.cuts import Cut, cut_document, cut_sealed
from ondol.application.knowledge.frontmatter import parse_metadata, read_metadata
from ondol.application.knowledge.parsing import parse
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.types import DocumentMetadata, IndexSettings, ParsedDocument
from ondol.core.canonical import keyed_digest
from ondol.infrastructure.storage.blobs import BlobInfo, KeyOwner

PIPELINE_VERSION = 1
"""Part of each fingerprint: raised when parsing or cutting changes, so that files are taken in again."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file as read, parsed, cut and analysed; `cuts` holds one for each way in which index versions cut."""

    data: bytes
    document: ParsedDocument
    title: str
    cuts: Mapping[IndexSettings, Cut]

    def cut_by(self, settings: IndexSettings) -> Cut:
        """Its passages as an index version wants them."""
        return self.cuts.get(settings) or cut_document(self.document, self.title, settings)

    def text(self) -> str:
        """The parsed text."""
        return self.document.text

    def seal(self, room: Knowledge, place: VersionPlace, first: IndexSettings) -> BlobInfo:
        """Write the original, and the text with its passages by a first cut."""
        original = room.blobs.put(KeyOwner(place[0], "document", place[1]), original_path(*place), self.data)
        write_text(room.blobs, *place, self.document.text, self.cut_by(first).passages, first.cut)
        return original


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file with what it says of itself, and the key that it has unless somebody names another."""

    content: FileContent
    metadata: DocumentMetadata
    key: str

    @property
    def title(self) -> str:
        """The title by which it is found and shown."""
        return self.content.title

    @property
    def language(self) -> str:
        """The language of the text."""
        return self.metadata.language or self.content.document.language or "en"


def read_file(name: str, data: bytes, sidecar: bytes, settings: Sequence[IndexSettings]) -> ReadFile:
    """Parse, cut and analyse a file. Synchronous; takes from microseconds to a minute.

    Args:
        name: the path in the folder, or the file's name.
        sidecar: metadata that stands beside the file; empty when there is none.

    Raises:
        UnreadableDocument: it cannot be read, or says of itself what is not understood.
    """
    path = PurePosixPath(name)
    document = parse(name, data)
    metadata = read_metadata({**document.metadata, **parse_metadata(sidecar.decode("utf-8", "replace"))})
    title = metadata.title or document.title or path.stem
    cuts = {one: cut_document(document, title, one) for one in settings}
    return ReadFile(FileContent(data, document, title, cuts), metadata, metadata.key or path.with_suffix("").as_posix())


def fingerprint_of(key: bytes, data: bytes, sidecar: bytes, options: tuple[object, ...], further: str = "") -> bytes:
    """What decides whether a file must be taken in again: its bytes, its sidecar, the options and the pipeline's version; 32 bytes.

    Args:
        key: the tenant's key for keyed digests of knowledge.
        options: whatever else decides; their `repr` counts.
        further: what decides besides, where there is anything: options that came later change no older fingerprint.
    """
    parts = [hashlib.sha256(part).digest() for part in (data, sidecar, (repr((PIPELINE_VERSION, *options)) + further).encode())]
    return keyed_digest(key, "fingerprint", b"".join(parts))


@dataclass(frozen=True, slots=True)
class SealedContent:
    """What was sealed of a version, for another version of the same content: nothing is parsed anew."""

    room: Knowledge
    tenant_id: uuid.UUID
    version: store.SealedVersion
    _cuts: dict[IndexSettings, Cut] = field(default_factory=dict)

    @property
    def _place(self) -> VersionPlace:
        return self.tenant_id, self.version.document_id, self.version.id

    def cut_by(self, settings: IndexSettings) -> Cut:
        """Its passages as an index version wants them. Raises `KeyDestroyed` and `NotFound` as `cut_sealed` does."""
        if settings not in self._cuts:
            self._cuts[settings] = cut_sealed(self.room, self.tenant_id, self.version, settings)
        return self._cuts[settings]

    def text(self) -> str:
        """The sealed text, opened."""
        return read_text(self.room.blobs, *self._place).text

    def seal(self, room: Knowledge, place: VersionPlace, first: IndexSettings) -> BlobInfo:
        """Write the original, and the text with its passages by a first cut, under the other version's document's key."""
        old = KeyOwner(self.tenant_id, "document", self.version.document_id)
        pieces = room.blobs.stream(old, original_path(*self._place))
        original = room.blobs.put(KeyOwner(place[0], "document", place[1]), original_path(*place), pieces)
        write_text(room.blobs, *place, self.text(), self.cut_by(first).passages, first.cut)
        return original
