"""One file becomes a document, or a new version of one.

What is said with a file and what the file says of itself must agree: of two truths about who may read it, the wrong one would win some day.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal, TypeVar

import msgspec

from ondol.application.knowledge.committing import Committed, Item, Placed, Writer
from ondol.application.knowledge.contents import ReadFile, fingerprint_of, read_file
from ondol.application.knowledge.documents.change import Changed, check_key, open_writer
from ondol.application.knowledge.documents.readers import stated_rule
from ondol.application.knowledge.documents.store import QUERIES, Document, document_absent, find_document, is_taken
from ondol.application.knowledge.frontmatter import document_key_hash
from ondol.application.knowledge.parsing import INPUT_BYTES_MAX, SUPPORTED_SUFFIXES, media_type_of
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import documents_of_keys
from ondol.core.canonical import keyed_digest
from ondol.core.errors import Conflict, RequestError, UnreadableDocument
from ondol.infrastructure.access.attributes import clause_ids
from ondol.infrastructure.access.audiences import audience_for, group_ids
from ondol.infrastructure.access.types import AccessRule, SecurityClass
from ondol.infrastructure.storage.postgres import Connection

NAME_CHARS_MAX = 200

T = TypeVar("T")

Also = Callable[[Connection, Changed, datetime], Awaitable[None]]
"""What else is written in the transaction that commits."""


class Told(msgspec.Struct, frozen=True):
    """What is said with a file.

    Attributes:
        name: the file's name; its ending says what it is.
        key: what the document is called; as the file says, or its name without the ending, when absent.
        document_id: the document of which it is a new version.
        replaces: whether it may be a new version of the document that is called so; otherwise there must be none.
        security_class, groups, access: who may read it; `access` is a rule such as ``department = sales and class <= internal``. When neither
            these nor the file say it, the readers of the version before stay.
    """

    name: str
    key: str | None = None
    document_id: uuid.UUID | None = None
    replaces: bool = False
    security_class: SecurityClass | None = None
    groups: tuple[str, ...] | None = None
    access: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    @property
    def names_readers(self) -> bool:
        """Whether it says who may read the file."""
        return any(said is not None for said in (self.security_class, self.groups, self.access))


def check_told(told: Told) -> None:
    """Refuse what can be seen to be wrong before the file is read.

    Raises:
        RequestError: the name, the key, the rule or the dates cannot be used.
    """
    if not 1 <= len(told.name) <= NAME_CHARS_MAX or not told.name.isprintable() or {"/", "\\"} & set(told.name):
        raise RequestError("The file's name cannot be used.", f"Give at most {NAME_CHARS_MAX} characters without slashes.", code="bad_file_name")
    if PurePosixPath(told.name).suffix.lower() not in SUPPORTED_SUFFIXES:
        hint = f"Its name must end in one of {', '.join(SUPPORTED_SUFFIXES)}."
        raise RequestError("A file of this kind is not read.", hint, code="unsupported_file", param="file")
    if told.key is not None:
        check_key(told.key)
    check_dates(told.valid_from, told.valid_until)
    stated_rule(told.access, told.security_class)


def check_dates(valid_from: datetime | None, valid_until: datetime | None) -> None:
    """Refuse an interval that is empty.

    Raises:
        RequestError: it ends before it begins.
    """
    if valid_from is not None and valid_until is not None and valid_from >= valid_until:
        raise RequestError("It would cease to be valid before it begins to be.", "Change one of the two.", code="bad_dates", param="valid_until")


async def put_file(
    room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, told: Told, data: bytes, *, person_id: uuid.UUID | None, also: Also | None = None
) -> Changed:
    """Take one file in; the next search finds it. The same file again, with the same words, changes nothing.

    Args:
        also: written in the same transaction.

    Raises:
        RequestError: what is told cannot be used, or the file says otherwise (code ``differs_from_file``).
        UnreadableDocument: the file cannot be read.
        NotFound: when the document that it is to be a version of is gone, or is none that the person may read.
        Conflict: the key is taken, the current version is a higher one, its access was set by hand, or no turn came to write.
    """
    check_told(told)
    if len(data) > INPUT_BYTES_MAX:
        raise UnreadableDocument(f"It is larger than {INPUT_BYTES_MAX // 2**20} MiB.", "Split it.")
    writer = await open_writer(room, tenant_id, base_id, person_id)
    read = await asyncio.to_thread(read_file, told.name, data, b"", writer.settings)
    putting = _Putting(writer, told, read, person_id, await asyncio.to_thread(_fingerprint, writer.key, data, told))

    async def finish(connection: Connection, committed: Committed, now: datetime) -> None:
        changed = Changed(committed.rows[0].document_id, committed.rows[0].id, base_id)
        if putting.access_is_told:
            await connection.execute(QUERIES["access_put"], {"id": changed.document_id, "audience_id": None})
        if also is not None:
            await also(connection, changed, now)

    committed = await writer.commit(putting.judge, check=putting.check, also=finish)
    if committed.rows:
        return Changed(committed.rows[0].document_id, committed.rows[0].id, base_id)
    assert putting.before is not None  # noqa: S101 - nothing is committed only where the version before is the same
    same = Changed(putting.before.id, putting.before.version_id, base_id, changed=False)
    if also is not None:
        async with room.database.tenant_tx(tenant_id) as connection:
            await also(connection, same, room.clock())
    return same


def _fingerprint(key: bytes, data: bytes, told: Told) -> bytes:
    return fingerprint_of(key, data, b"", (told.name, told.security_class, told.groups, told.access, told.valid_from, told.valid_until))


@dataclass(slots=True)
class _Putting:
    """One file on its way in.

    Attributes:
        before: the current version of the document, once that is known; None for a document that has none.
        access_is_told: whether its readers are told for a document that has no current version: what was set by hand before is over.
    """

    writer: Writer
    told: Told
    read: ReadFile
    person_id: uuid.UUID | None
    fingerprint: bytes
    before: Document | None = None
    access_is_told: bool = False

    async def judge(self, connection: Connection, now: datetime) -> list[Placed]:
        """What it becomes, seen with the base's turn."""
        self.before = await self._before(connection)
        key = self._key()
        if self.before is not None and self.before.origin == "upload" and self.before.fingerprint == self.fingerprint:
            return []
        return [Placed(self._item(key), await self._audience(connection, document_key_hash(self.writer.key, key), now))]

    async def check(self, connection: Connection) -> None:
        """Refuse to commit when the version before is another one by now: it was deleted, which waits for nobody's turn."""
        found = await self._find(connection, self.before.key_hash) if self.before is not None else None
        if self.before is not None and (found is None or found.version_id != self.before.version_id):
            raise Conflict("The document changed meanwhile.", "Look at it and try again.", code="document_changed")

    async def _before(self, connection: Connection) -> Document | None:
        """The document of which it is a new version.

        Raises:
            NotFound, Conflict: it is not there, or there is one where none may be.
        """
        if self.told.document_id is not None:
            found = await self._find(connection, None)
            if found is None:
                raise document_absent()
            return found
        key_hash = document_key_hash(self.writer.key, self._key())
        if not await is_taken(connection, self.writer.base.id, key_hash):
            return None
        found = await self._find(connection, key_hash) if self.told.replaces else None
        if found is None:
            # Who may not read it learns that the key is taken, and no more: two documents cannot be called the same.
            raise Conflict("There is a document of this key already.", "Replace it, or choose another key.", code="document_exists")
        return found

    async def _find(self, connection: Connection, key_hash: bytes | None) -> Document | None:
        writer = self.writer
        document_id = self.told.document_id if key_hash is None else None
        return await find_document(
            writer.room, connection, writer.tenant_id, writer.base.id, self.person_id, document_id=document_id, key_hash=key_hash
        )

    def _key(self) -> str:
        """What the document is called.

        Raises:
            RequestError: the file says otherwise.
        """
        if self.before is not None:
            return _agreed("key", self.before.details.key, self.read.metadata.key) or self.read.key
        return check_key(_agreed("key", self.told.key, self.read.metadata.key) or self.read.key)

    def _item(self, key: str) -> Item:
        told, metadata, before = self.told, self.read.metadata, self.before
        current = before.declared_version if before is not None else 0
        if metadata.version is not None and metadata.version < current:
            raise Conflict(
                f"The file says that it is version {metadata.version}, and the current one is {current}.",
                "Raise `version`, or leave it out.",
                code="version_older",
            )
        valid_from = _agreed("valid_from", told.valid_from, metadata.valid_from)
        valid_until = _agreed("valid_until", told.valid_until, metadata.valid_until)
        check_dates(valid_from, valid_until)
        return Item(
            key=key,
            key_hash=document_key_hash(self.writer.key, key),
            name=told.name,
            title=self.read.title,
            source_hash=keyed_digest(self.writer.key, "upload", key.encode()),
            fingerprint=self.fingerprint,
            origin="upload",
            declared_version=current if metadata.version is None else metadata.version,
            valid_from=valid_from,
            valid_until=valid_until,
            language=self.read.language,
            media_type=media_type_of(told.name),
            content=self.read.content,
        )

    async def _audience(self, connection: Connection, key_hash: bytes, now: datetime) -> uuid.UUID:
        """Who may read it: what was set by hand, else what is told or the file says, else the readers of the version before, else everybody."""
        told, metadata, before = self.told, self.read.metadata, self.before
        stated = stated_rule(told.access, told.security_class)
        security_class: SecurityClass | None = _agreed("class", stated.security_class, metadata.security_class)
        groups = _agreed("groups", _in_order(told.groups), _in_order(metadata.groups))
        clauses = _agreed("access", None if told.access is None else stated.clauses, metadata.clauses)
        known = (await documents_of_keys(connection, self.writer.base.id, [key_hash])).get(key_hash)
        if known is not None and known.audience_id is not None and not (before is None and told.names_readers):
            if told.names_readers:
                raise Conflict("Who may read this document was set by hand.", "Set it anew, and leave it out here.", code="access_set")
            return known.audience_id
        self.access_is_told = before is None and told.names_readers
        if before is not None and security_class is None and groups is None and clauses is None:
            return before.audience_id
        found = frozenset((await group_ids(connection, groups or ())).values())
        needed = await clause_ids(connection, clauses or ())
        rule = AccessRule("public" if security_class is None else security_class, found, clauses=needed)
        return await audience_for(connection, self.writer.tenant_id, rule, now)


def _in_order(groups: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if groups is None else tuple(sorted(set(groups)))


def _agreed(field: Literal["key", "class", "groups", "access", "valid_from", "valid_until"], told: T | None, in_file: T | None) -> T | None:
    """What is told with a file, or what it says itself.

    Raises:
        RequestError: they say two things.
    """
    if told is not None and in_file is not None and told != in_file:
        raise RequestError(
            f"What is told of `{field}` is not what the file says.",
            "Tell it in one place, or the same in both.",
            code="differs_from_file",
            param=field,
        )
    return in_file if told is None else told
