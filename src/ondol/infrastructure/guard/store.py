"""What the guard keeps of policies: their versions, and where each is bound."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from ondol.core.canonical import Json
from ondol.core.errors import Conflict, NotFound, RequestError, SettingsError
from ondol.core.ids import new_id
from ondol.infrastructure.guard.policy import Policy, policy_from
from ondol.infrastructure.ledger import add_artefact, record
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUERIES = load_queries("ondol.infrastructure.guard")

Scope: TypeAlias = Literal["tenant", "base", "assistant", "model", "key"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""From the most general to the most specific."""

POLICIES_MAX = 200
"""Names of policies that one tenant may have."""
BINDINGS_MAX = 1000
"""Of one tenant."""
TARGET_CHARACTERS_MAX = 200
BUILT_IN = "default"
"""The name by which the policy that comes with Ondol can be bound; no other may be called that."""

_NAME = re.compile(r"(?=.{1,63}\Z)[a-z0-9](-?[a-z0-9])*")


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a policy as it is listed.

    Attributes:
        digest: of its content, 32 bytes.
        created_by: who put it; None for the command line.
    """

    id: uuid.UUID
    name: str
    version: int
    digest: bytes
    created_at: datetime
    created_by: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """One version with its content."""

    version: PolicyVersion
    policy: Policy


@dataclass(frozen=True, slots=True)
class Binding:
    """A place and the name of the policy that holds there.

    Attributes:
        target: empty for the tenant itself, the id of a key, otherwise the name of a base, an assistant or a model.
    """

    scope: Scope
    target: str
    policy: str


async def put_policy(
    connection: Connection, tenant_id: uuid.UUID, policy: Policy, *, by: uuid.UUID | None, now: datetime, known: Mapping[str, Sequence[str]] | None
) -> tuple[StoredPolicy, bool]:
    """Keep a policy: a new version, unless the newest one says the same.

    Args:
        known: the checks that exist, with the names of their settings; None to leave that unchecked.

    Returns:
        The version in force, and whether it is new.

    Raises:
        RequestError: when its name or its content cannot be kept.
        Conflict: when somebody else put a version in the same moment.
    """
    _check_name(policy.name)
    checked = _checked(policy, known)
    newest = await _newest(connection, policy.name, None)
    if newest is not None and bytes(newest["digest"]) == policy.digest:
        return _stored(newest), False
    counted = await one(connection, QUERIES["policy_count"], {"name": policy.name})
    if newest is None and counted is not None and counted["counted"] >= POLICIES_MAX:
        raise RequestError(f"A tenant has at most {POLICIES_MAX} policies.", "Give an old one a new version instead.", code="too_many_policies")
    values = {"tenant_id": tenant_id, "id": new_id(), "name": policy.name, "body": Jsonb(checked), "digest": policy.digest, "now": now, "by": by}
    try:
        async with connection.transaction():
            row = await one(connection, QUERIES["policy_add"], values)
    except psycopg.errors.UniqueViolation:
        raise Conflict(f"Somebody else changed the policy {policy.name} in this moment.", "Look at it and try again.") from None
    except psycopg.DataError as error:
        raise RequestError("The policy holds what cannot be kept, such as a zero character.", "Take it out.", code="bad_policy") from error
    assert row is not None  # noqa: S101 - an insert returns its row
    stored = _stored(row)
    if stored.policy.digest != policy.digest:
        raise RequestError("The policy holds a number that does not come back as it was given.", "Write it with fewer digits.", code="bad_policy")
    await add_artefact(connection, tenant_id, "policy", artefact_id=stored.version.id, address=policy.digest, now=now)
    body: dict[str, Json] = {"policy": stored.version.id, "name": policy.name, "version": stored.version.version, "digest": policy.digest}
    await record(connection, tenant_id, kind="guard.policy_put", actor_id=by, body=body, now=now)
    return stored, True


async def keep_built_in(connection: Connection, tenant_id: uuid.UUID, policy: Policy, now: datetime) -> None:
    """Keep the built-in policy of this version of Ondol, for whatever names it by its digest. It is listed nowhere, and cannot be bound as such."""
    if await find_by_digest(connection, policy.digest) is not None:
        return
    body = Jsonb(msgspec.to_builtins(policy))
    values = {"tenant_id": tenant_id, "id": new_id(), "name": BUILT_IN, "body": body, "digest": policy.digest, "now": now, "by": None}
    with contextlib.suppress(psycopg.errors.UniqueViolation):  # somebody else keeps it in this moment
        async with connection.transaction():
            await connection.execute(QUERIES["policy_add"], values)


async def get_policy(connection: Connection, name: str, version: int | None = None) -> StoredPolicy:
    """A policy's newest version, or the one asked for.

    Raises:
        NotFound: when there is none.
        SettingsError: when this version of Ondol cannot read it any more.
    """
    row = await _newest(connection, name, version)
    if row is None:
        raise NotFound(f"There is no guard policy called {name[:100]}.", "`ondol guard policy list` shows all.", code="policy_not_found")
    return _stored(row)


async def find_by_digest(connection: Connection, digest: bytes) -> StoredPolicy | None:
    """The version that has this digest, or None."""
    row = await one(connection, QUERIES["policy_by_digest"], {"digest": digest})
    return None if row is None else _stored(row)


async def list_policies(connection: Connection) -> list[StoredPolicy]:
    """The newest version of every policy of the tenant, by name.

    Raises:
        SettingsError: when this version of Ondol cannot read one any more.
    """
    return [_stored(row) for row in await rows(connection, QUERIES["policies_newest"], {})]


async def list_versions(connection: Connection, name: str) -> list[PolicyVersion]:
    """The versions of one policy, the newest first, at most 1,000."""
    return [_version(row) for row in await rows(connection, QUERIES["policy_versions"], {"name": name})]


async def list_bindings(connection: Connection) -> list[Binding]:
    """Every binding of the tenant."""
    return [Binding(**row) for row in await rows(connection, QUERIES["bindings_all"], {"limit": BINDINGS_MAX})]


async def put_binding(connection: Connection, tenant_id: uuid.UUID, binding: Binding, *, by: uuid.UUID | None, now: datetime) -> bool:
    """Bind a policy to a place; a key may be named by its public id. Whether that changed anything.

    Raises:
        NotFound: when there is no such policy or key.
        RequestError: when the target does not fit the scope, or there are too many bindings.
    """
    target = await _target(connection, binding.scope, binding.target)
    if binding.policy != BUILT_IN and await _newest(connection, binding.policy, None) is None:
        raise NotFound(
            f"There is no guard policy called {binding.policy[:100]}.", "Put it first; `default` is the built-in one.", code="policy_not_found"
        )
    present = await list_bindings(connection)
    wanted = Binding(binding.scope, target, binding.policy)
    if wanted in present:
        return False
    if len(present) >= BINDINGS_MAX:
        raise RequestError(f"A tenant has at most {BINDINGS_MAX} bindings.", "Bind the tenant, a base or an assistant.", code="too_many_bindings")
    values = {"tenant_id": tenant_id, "scope": wanted.scope, "target": target, "policy": wanted.policy, "now": now, "by": by}
    await connection.execute(QUERIES["binding_put"], values)
    await _tell(connection, tenant_id, "guard.policy_bound", wanted, by, now)
    return True


async def remove_binding(connection: Connection, tenant_id: uuid.UUID, scope: Scope, target: str, *, by: uuid.UUID | None, now: datetime) -> None:
    """Take a place's policy away.

    Raises:
        NotFound: when none is bound there.
    """
    row = await one(connection, QUERIES["binding_remove"], {"scope": scope, "target": target})
    if row is None:
        raise NotFound(
            f"No policy is bound to {scope} {target[:100]}.".replace(" .", "."), "`ondol guard policy list` shows all.", code="binding_not_found"
        )
    await _tell(connection, tenant_id, "guard.policy_unbound", Binding(scope, target, row["policy_name"]), by, now)


async def _tell(connection: Connection, tenant_id: uuid.UUID, kind: str, binding: Binding, by: uuid.UUID | None, now: datetime) -> None:
    # The target may be a name that people chose: the ledger keeps only its scope.
    await record(connection, tenant_id, kind=kind, actor_id=by, body={"scope": binding.scope, "policy": binding.policy}, now=now)


async def _target(connection: Connection, scope: Scope, target: str) -> str:
    if scope not in SCOPES:
        raise RequestError(f"A policy cannot be bound to a {scope}.", f"It can be {', '.join(SCOPES)}.", code="bad_scope", param="scope")
    if (scope == "tenant") != (target == "") or len(target) > TARGET_CHARACTERS_MAX:
        raise RequestError(f"The target does not fit the scope {scope}.", "Only the tenant has none.", code="bad_target", param="target")
    if scope != "key":
        return target
    key = await one(connection, QUERIES["key_named"], {"name": target})
    if key is not None:
        return str(key["id"])
    raise NotFound(f"There is no key {target[:60]}.", "`ondol key list` shows all.", code="key_not_found", param="target")


def _check_name(name: str) -> None:
    if name == BUILT_IN:
        raise RequestError("The built-in policy is called default.", "Give yours another name.", code="bad_policy_name", param="name")
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"{name[:60]!r} cannot name a policy.", "Use lower-case letters, digits and single hyphens.", code="bad_policy_name", param="name"
        )


def _checked(policy: Policy, known: Mapping[str, Sequence[str]] | None) -> Any:
    """The policy as plain data, once it has been read back from it."""
    plain = msgspec.to_builtins(policy)
    try:
        again = policy_from(plain, known)
        same = again.digest == policy.digest
        if again.restricts_tools:
            from ondol.infrastructure.guard.tools.policy import tool_policy_of

            tool_policy_of(again.declared_tools, again.run_characters)
    except (SettingsError, TypeError, ValueError) as error:
        message = error.message if isinstance(error, SettingsError) else "A setting of a check holds what cannot be kept, such as half a character."
        raise RequestError(message, getattr(error, "hint", "") or "Use plain texts, numbers and lists.", code="bad_policy") from error
    if not same:
        raise RequestError("The policy holds what does not come back as it was given.", "Use plain texts, numbers and lists.", code="bad_policy")
    return plain


async def _newest(connection: Connection, name: str, version: int | None) -> dict[str, Any] | None:
    return await one(connection, QUERIES["policy_newest"], {"name": name, "version": version})


def _version(row: Mapping[str, Any]) -> PolicyVersion:
    return PolicyVersion(row["id"], row["name"], row["version"], bytes(row["digest"]), row["created_at"], row["created_by"])


def _stored(row: Mapping[str, Any]) -> StoredPolicy:
    return StoredPolicy(_version(row), policy_from(row["body"]))
