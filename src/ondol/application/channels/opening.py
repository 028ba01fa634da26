"""What every channel begins with: a name, a public id, an assistant that answers, and a key that it acts by."""

from __future__ import annotations

import re
import secrets
import string
import uuid
from datetime import datetime

from ondol.application.assistant.store import find_assistant
from ondol.application.assistant.types import Assistant
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import NotFound, RequestError
from ondol.infrastructure.access.keys import create_key
from ondol.infrastructure.access.people import NewPerson, add_person
from ondol.infrastructure.storage.postgres import Connection

PUBLIC_ID_CHARACTERS = 24
PUBLIC_ID = re.compile(f"[a-z0-9]{{{PUBLIC_ID_CHARACTERS}}}")
_NAME = re.compile(r"(?=.{1,63}\Z)[a-z0-9](-?[a-z0-9])*")
_PUBLIC_ALPHABET = string.ascii_lowercase + string.digits


def check_name(kind: str, name: str, example: str) -> None:
    """That a channel can be called so. Raises `RequestError`."""
    if not _NAME.fullmatch(name):
        raise RequestError(f"A {kind}'s name has small letters, digits and single hyphens.", f"Such as `{example}`.", code="bad_name", param="name")


def new_public_id() -> str:
    """What the world outside names a channel by."""
    return "".join(secrets.choice(_PUBLIC_ALPHABET) for _ in range(PUBLIC_ID_CHARACTERS))


async def find_answerer(connection: Connection, name: str) -> Assistant:
    """The assistant that answers in a channel. Raises `NotFound`."""
    try:
        return await find_assistant(connection, name)
    except NotFound:
        hint = "`ondol assistant list` shows all."
        raise NotFound(f"There is no assistant called {name[:100]}.", hint, code="assistant_not_found", param="assistant") from None


async def add_key(
    room: Knowledge,
    connection: Connection,
    tenant_id: uuid.UUID,
    kind: str,
    name: str,
    public_id: str,
    assistant: Assistant,
    now: datetime,
    *,
    by: uuid.UUID | None,
) -> uuid.UUID:
    """A key for the one assistant, whose text nobody knows: limits, usage and revocation of a channel hold on to it.

    Args:
        kind: ``widget`` or ``bot``.
    """
    acts_as = NewPerson(f"{kind}:{public_id}", f"{kind.title()} {name}", "service", roles=frozenset())
    person = await add_person(connection, room.keyring, tenant_id, acts_as, now)
    key, _ = await create_key(connection, tenant_id, person.id, f"{kind} {name}", now, models=[assistant.model], actor_id=by)
    return key.id
