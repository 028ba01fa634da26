"""The file of a conversation for whoever may read the thread that it is in."""

from __future__ import annotations

import uuid

from ondol.application.assistant.threads import store
from ondol.application.knowledge.attachments.store import Attachment, attachment_absent, find_file
from ondol.application.knowledge.originals import Original, original_of
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import NotFound
from ondol.infrastructure.access.people import groups_of_person
from ondol.infrastructure.storage.postgres import Connection


async def readable_file(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, reader_id: uuid.UUID, attachment_id: uuid.UUID) -> Attachment:
    """A file of one's own, or of a thread that is shared with one.

    Raises:
        NotFound: when there is none; somebody else's looks the same.
    """
    found = await find_file(connection, room.keyring, tenant_id, attachment_id)
    if found.person_id == reader_id:
        return found
    if found.thread_id is None:
        raise attachment_absent()
    groups = await groups_of_person(connection, reader_id)
    try:
        await store.find_readable_thread(connection, room.keyring, tenant_id, reader_id, groups, found.thread_id)
    except NotFound as error:
        raise attachment_absent() from error
    return found


async def open_attachment(room: Knowledge, tenant_id: uuid.UUID, reader_id: uuid.UUID, attachment_id: uuid.UUID) -> Original:
    """The file as it was sent.

    Raises:
        NotFound: when there is none that this person may read, or it could not be read and was not kept.
        KeyDestroyed: when it is being removed.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        found = await readable_file(room, connection, tenant_id, reader_id, attachment_id)
    if found.state == "failed":
        raise attachment_absent()
    return await original_of(room, (tenant_id, found.id, found.id), found.media_type, found.version.details)
