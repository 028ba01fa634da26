"""The demo documents as the product reads them: parsed once for all data tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ondol.application.knowledge.frontmatter import parse_metadata, read_metadata
from ondol.application.knowledge.parsing import parse
from ondol.application.knowledge.types import DocumentMetadata
from ondol.demo import documents_folder
from ondol.demo.golden import ASKERS
from ondol.infrastructure.access.types import SECURITY_CLASSES

NOW = datetime(2026, 11, 15, tzinfo=UTC)
"""When the demo plays. No document begins or ends between then and 2099, so the tests hold until 2099."""

SIDECAR = ".meta.yaml"


@dataclass(frozen=True, slots=True)
class DemoDocument:
    """A file of the demo with what it says about itself. `text` is the title and the parsed text, without markup."""

    path: Path
    metadata: DocumentMetadata
    text: str

    @property
    def id(self) -> str:
        assert self.metadata.key is not None
        return self.metadata.key

    @property
    def version(self) -> int:
        assert self.metadata.version is not None
        return self.metadata.version

    @property
    def begun(self) -> bool:
        return self.metadata.valid_from is None or self.metadata.valid_from <= NOW

    @property
    def expired(self) -> bool:
        return self.metadata.valid_until is not None and self.metadata.valid_until <= NOW

    @property
    def valid(self) -> bool:
        return self.begun and not self.expired

    def open_to(self, asker: str) -> bool:
        """Whether class and groups let the asker read it."""
        person = ASKERS[asker]
        assert self.metadata.security_class is not None
        cleared = SECURITY_CLASSES.index(self.metadata.security_class) <= SECURITY_CLASSES.index(person.clearance)
        member = {*person.groups, "staff"} if person.groups else set()
        return cleared and (self.metadata.groups is None or not member.isdisjoint(self.metadata.groups))


@dataclass(frozen=True, slots=True)
class DemoDocuments:
    """All files of the demo."""

    all: tuple[DemoDocument, ...]

    def of(self, key: str) -> list[DemoDocument]:
        """Every version of a document."""
        return [document for document in self.all if document.id == key]

    def current(self, key: str) -> DemoDocument | None:
        """The highest version that is valid now."""
        return max((document for document in self.of(key) if document.valid), key=lambda document: document.version, default=None)

    def outdated(self, language: str) -> list[DemoDocument]:
        """What is superseded, expired or not yet valid."""
        return [document for document in self.all if document.metadata.language == language and document is not self.current(document.id)]


def read(path: Path) -> DemoDocument:
    """Read one file with its sidecar, as ingestion does."""
    parsed = parse(path.name, path.read_bytes())
    sidecar = path.with_name(path.name + SIDECAR)
    beside = parse_metadata(sidecar.read_text(encoding="utf-8")) if sidecar.is_file() else {}
    metadata = read_metadata({**parsed.metadata, **beside})
    return DemoDocument(path, metadata, f"{metadata.title}\n{parsed.text}")


@pytest.fixture(scope="session")
def documents() -> DemoDocuments:
    paths = sorted(path for path in documents_folder().rglob("*") if path.is_file() and not path.name.endswith(SIDECAR))
    return DemoDocuments(tuple(read(path) for path in paths))
