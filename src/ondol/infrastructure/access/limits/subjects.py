"""Whom a rule is about, between what people call it (a group's name, a login, a key's public id) and the id that is kept."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable

from ondol.infrastructure.access.audiences import group_ids
from ondol.infrastructure.access.keys import find_key
from ondol.infrastructure.access.limits.bank import QUERIES
from ondol.infrastructure.access.limits.types import EACH, Budget, Limit, Scope
from ondol.infrastructure.access.people import find_person, logins_of
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, rows


async def subject_of(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, scope: Scope, called: str) -> str:
    """The subject of a rule, from its id or from what people call it.

    Raises:
        RequestError, NotFound: when there is no such group, person or key.
    """
    if scope in ("tenant", "model") or called == EACH:
        return called
    try:
        return str(uuid.UUID(called))
    except ValueError:
        pass
    if scope == "group":
        return str((await group_ids(connection, [called]))[called])
    if scope == "person":
        return str((await find_person(connection, keyring, tenant_id, called)).id)
    return str((await find_key(connection, tenant_id, called)).id)


async def subject_names(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, rules: Iterable[Limit | Budget]) -> dict[str, str]:
    """What people call the subjects of some rules, by subject; one that is gone is called by its id."""
    kept = {rule.subject for rule in rules if rule.scope in ("group", "person", "key") and rule.subject != EACH}
    names = await names_of(connection, keyring, tenant_id, [uuid.UUID(subject) for subject in kept])
    return {subject: names.get(subject, subject) for subject in kept}


async def names_of(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]) -> dict[str, str]:
    """What people call some people, groups and keys: a login, a name, a public id. One that is gone is left out."""
    names = {str(person_id): login for person_id, login in (await logins_of(connection, keyring, tenant_id, ids)).items() if login}
    return names | {row["id"]: row["name"] for row in await rows(connection, QUERIES["subject_names"], {"ids": list(ids)})}
