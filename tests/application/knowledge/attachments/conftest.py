"""A desk to which files can be brought."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from ondol.application.knowledge.attachments.keep import AttachmentDesk, AttachmentLimits
from ondol.application.knowledge.attachments.reading import read_attachment
from ondol.application.knowledge.attachments.store import Attachment, find_file
from ondol.application.knowledge.documents.uploads import Reception
from ondol.application.knowledge.rooms import Knowledge
from ondol.infrastructure.serving.types import ThreadPlace
from tests.application.assistant.conftest import Desk, Told, desk, model

__all__ = ["desk", "model"]

LIMITS = AttachmentLimits(files_max=3, bytes_max=100_000, passages_max=40)
LEASE = (
    b"# Lease of the Harbour Street office\n\nThe rent is 4,200 dollars a month and is due on the third day. The deposit is two rents.\n\n"
    b"## Notice\n\nEither side gives notice three months before the lease ends. The keys are handed over to Mrs Okafor.\n"
)
MENU = "# 구내식당 안내\n\n점심은 11시 40분부터 13시까지 제공됩니다. 채식 식단은 화요일과 목요일에 나옵니다.\n".encode()


@dataclass
class Files:
    """Files of the people of a house.

    Attributes:
        limits: those in force.
    """

    desk: Desk
    reception: Reception
    limits: AttachmentLimits = LIMITS

    @property
    def room(self) -> Knowledge:
        return self.desk.house.platform.knowledge

    async def send(self, content: bytes, name: str = "lease.md", *, who: str = "visitor", thread: uuid.UUID | None = None) -> uuid.UUID:
        """Receive a file, which nobody has read yet."""

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 1_000):
                yield content[start : start + 1_000]

        receives = AttachmentDesk(self.room, self.reception, lambda: self.limits)
        return await receives.receive(self.desk.house.tenant_id, self.desk.house.people[who], thread, name, chunks())

    async def read(self, attachment_id: uuid.UUID) -> Attachment:
        """Have the worker read a file."""
        house = self.desk.house
        assert await read_attachment(self.room, lambda: self.limits, house.tenant_id, attachment_id)
        async with house.platform.database.tenant_tx(house.tenant_id) as connection:
            return await find_file(connection, self.room.keyring, house.tenant_id, attachment_id)

    async def bring(self, content: bytes, name: str = "lease.md", *, who: str = "visitor", thread: uuid.UUID | None = None) -> uuid.UUID:
        """A file that can be asked about."""
        attachment_id = await self.send(content, name, who=who, thread=thread)
        found = await self.read(attachment_id)
        assert (found.state, found.failure) == ("ready", None), found.detail
        return attachment_id

    def sealed(self, attachment_id: uuid.UUID) -> list[str]:
        """What lies of a file in the stores."""
        tenant_id = self.desk.house.tenant_id
        blobs = [path.rsplit("/", 1)[-1] for path in self.room.blobs.list(f"{tenant_id}/documents/{attachment_id}")]
        return sorted([*blobs, *("key" for owner in self.room.keyring.list_owners(tenant_id) if owner.id == attachment_id)])


@pytest.fixture
async def files(desk: Desk) -> Files:
    """Nothing was brought yet."""
    return Files(desk, Reception(desk.house.platform.knowledge, lambda: 1 << 20))


def new(*attachments: uuid.UUID, alone: bool = False) -> ThreadPlace:
    """A thread that begins with files."""
    return ThreadPlace(attachments=attachments, alone=alone)


def behind(told: Told, *, alone: bool = False, from_start: bool = False) -> ThreadPlace:
    """The thread of an answer, which goes on."""
    return ThreadPlace(thread_of(told), alone=alone, from_start=from_start)


def thread_of(told: Told) -> uuid.UUID:
    return uuid.UUID(told.finish.extension["thread"]["id"])
