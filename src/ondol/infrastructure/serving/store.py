"""What Postgres keeps of providers, models and the gateway's settings. Credentials and pinned prompts are sealed with the tenant's key."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from ondol.core.canonical import Json
from ondol.core.errors import Conflict, Forbidden, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import record
from ondol.infrastructure.serving.rows import check_credential_stays, check_provider, check_row, own_base_url, row_of, with_password
from ondol.infrastructure.serving.settings import SETTINGS_BYTES_MAX, ModelSettings, ProviderSettings, TenantSettings, settings_from
from ondol.infrastructure.serving.types import ProviderRow
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

PROMPT_CHARACTERS_MAX = 100_000
TARGETS_MAX = 64
PAGE_MAX = 1_000

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}")

QUERIES = load_queries("ondol.infrastructure.serving")


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it is listed: of its credential only a hint."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    name: str
    kind: str
    base_url: str
    credential_hint: str
    settings: ProviderSettings
    disabled_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Target:
    """One place that answers a model.

    Attributes:
        provider: its name.
        name: of the model there.
        priority: lower ones are asked first.
        weight: its share among those of one priority.
    """

    provider: str
    name: str
    priority: int = 0
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it is listed."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    alias: str
    settings: ModelSettings
    has_prompt: bool
    shared: bool
    disabled_at: datetime | None
    created_at: datetime
    targets: tuple[Target, ...] = ()


async def put_provider(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    *,
    name: str,
    kind: str,
    base_url: str,
    credential: str | None,
    settings: ProviderSettings,
    actor_id: uuid.UUID | None,
    now: datetime,
) -> uuid.UUID:
    """Add a provider, or change the one of that name.

    Args:
        base_url: empty for the kind's own.
        credential: None leaves the one that is there, which stays with its host; an empty one takes it away.
        settings: a proxy without its password, as it is shown, leaves the password that is there.

    Raises:
        RequestError: when something of it cannot be.
    """
    base_url = base_url or own_base_url(kind)
    check_provider(kind, base_url, credential)
    found_before = await one(connection, QUERIES["provider_by_name"], {"name": name})
    known = None if found_before is None else _provider(found_before)
    settings = with_password(settings, None if known is None else known.settings)
    if known is not None and known.credential_hint and credential is None:
        check_credential_stays(known.base_url, known.settings, base_url, settings)
    check_row(row_of(tenant_id, new_id(), name, kind, base_url, credential or "", settings))
    values = {
        "tenant_id": tenant_id,
        "id": new_id(),
        "name": name,
        "kind": kind,
        "base_url": base_url,
        "has_credential": credential is not None,
        "credential_sealed": None,
        "credential_hint": _hint(credential or ""),
        "settings": Jsonb(msgspec.to_builtins(settings)),
        "now": now,
    }
    found = await one(connection, QUERIES["provider_put"], values)
    assert found is not None  # noqa: S101 - an upsert returns its row
    provider_id: uuid.UUID = found["id"]
    if credential:
        # Sealed for this row, whose id is known only now.
        sealed = _seal(keyring, tenant_id, credential, b"provider", provider_id)
        await connection.execute(
            QUERIES["provider_credential"], {"id": provider_id, "credential_sealed": sealed, "credential_hint": _hint(credential)}
        )
    body: dict[str, Json] = {"provider": provider_id, "name": name, "kind": kind, "credential": credential is not None}
    await record(connection, tenant_id, kind="provider.put", actor_id=actor_id, body=body, now=now)
    return provider_id


def _check_model(alias: str, targets: Sequence[Target], settings: ModelSettings) -> None:
    if not _ALIAS.fullmatch(alias) or alias.startswith("assistant/"):
        hint = "Use at most 200 letters, digits and . _ : / -, and another beginning than assistant/."
        raise RequestError("That cannot name a model.", hint, code="bad_name", param="alias")
    if not 1 <= len(targets) <= TARGETS_MAX:
        raise RequestError(f"A model has 1 to {TARGETS_MAX} targets.", "Name a provider and the model's name there.", param="targets")
    for target in targets:
        named = 1 <= len(target.name) <= 300 and target.name.isprintable()
        if not named or not 0 <= target.priority <= 100 or not 0 <= target.weight <= 1_000_000:
            hint = "A name has 1 to 300 printable characters, a priority is 0 to 100, a weight 0 to 1000000."
            raise RequestError("A target cannot be like that.", hint, code="bad_target", param="targets")
    if len(msgspec.json.encode(settings)) > SETTINGS_BYTES_MAX:
        raise RequestError(f"Settings have at most {SETTINGS_BYTES_MAX} bytes.", "Leave some parameters out.", code="bad_settings")


async def rotate_credential(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, name: str, credential: str, *, actor_id: uuid.UUID | None, now: datetime
) -> None:
    """Put another credential in the place of a provider's.

    Raises:
        NotFound: when there is none of that name.
        RequestError: when it is empty or cannot be one.
    """
    provider = await get_provider(connection, name)
    check_provider(provider.kind, provider.base_url, credential)
    if not credential:
        raise RequestError("The new credential is empty.", "A provider that needs none is put with an empty one.", param="credential")
    sealed = _seal(keyring, tenant_id, credential, b"provider", provider.id)
    await connection.execute(QUERIES["provider_credential"], {"id": provider.id, "credential_sealed": sealed, "credential_hint": _hint(credential)})
    await record(connection, tenant_id, kind="provider.rotated", actor_id=actor_id, body={"provider": provider.id}, now=now)


async def get_provider_row(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, name: str) -> ProviderRow:
    """A provider as requests go to it, its credential opened.

    Raises:
        NotFound: when there is none of that name.
    """
    found = await get_provider(connection, name)
    sealed = await one(connection, QUERIES["provider_sealed"], {"id": found.id})
    opened = open_credential(keyring, tenant_id, found.id, bytes(sealed["credential_sealed"])) if sealed and sealed["credential_sealed"] else ""
    return row_of(tenant_id, found.id, found.name, found.kind, found.base_url, opened, found.settings)


async def get_provider(connection: Connection, name: str) -> Provider:
    """The provider of a name.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["provider_by_name"], {"name": name})
    if found is None:
        raise _no_provider(name)
    return _provider(found)


async def list_providers(connection: Connection, *, after: uuid.UUID | None = None, limit: int = PAGE_MAX) -> list[Provider]:
    """The tenant's providers, oldest first, from the one after `after`."""
    return [_provider(row) for row in await rows(connection, QUERIES["providers_page"], {"after": after or uuid.UUID(int=0), "limit": limit})]


async def set_provider_disabled(
    connection: Connection, tenant_id: uuid.UUID, name: str, *, disabled: bool, actor_id: uuid.UUID | None, now: datetime
) -> None:
    """Take a provider out of use, or back into it.

    Raises:
        NotFound: when there is none of that name.
    """
    found = await one(connection, QUERIES["provider_disable"], {"name": name, "disabled_at": now if disabled else None})
    if found is None:
        raise _no_provider(name)
    kind = "provider.disabled" if disabled else "provider.enabled"
    await record(connection, tenant_id, kind=kind, actor_id=actor_id, body={"provider": found["id"]}, now=now)


async def delete_provider(connection: Connection, tenant_id: uuid.UUID, name: str, *, actor_id: uuid.UUID | None, now: datetime) -> None:
    """Delete a provider that no model uses.

    Raises:
        NotFound: when there is none of that name.
        Conflict: when a model is answered by it.
    """
    await get_provider(connection, name)
    found = await one(connection, QUERIES["provider_delete"], {"name": name})
    if found is None:
        raise Conflict(f"Models are answered by {name}.", "Change or delete them first, or disable the provider.", code="provider_in_use")
    await record(connection, tenant_id, kind="provider.deleted", actor_id=actor_id, body={"provider": found["id"]}, now=now)


async def put_model(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    *,
    alias: str,
    targets: Sequence[Target],
    settings: ModelSettings,
    prompt: str | None,
    shared: bool = False,
    disabled: bool = False,
    actor_id: uuid.UUID | None,
    now: datetime,
) -> uuid.UUID:
    """Add a model with its targets, or change the one of that name.

    Args:
        prompt: a pinned system prompt; None leaves the one that is there, an empty one takes it away.

    Raises:
        RequestError: when something of it cannot be.
        NotFound: when a target names an unknown provider.
        Forbidden: when a tenant that does not run the installation would share it.
    """
    _check_model(alias, targets, settings)
    if prompt is not None and len(prompt) > PROMPT_CHARACTERS_MAX:
        raise RequestError(f"A pinned prompt has at most {PROMPT_CHARACTERS_MAX} characters.", param="prompt")
    if shared and not await operates(connection, tenant_id):
        raise Forbidden(
            "Only the tenant that runs this installation shares models.", "`ondol tenant operator` says which one it is.", code="not_operator"
        )
    values = {
        "tenant_id": tenant_id,
        "id": new_id(),
        "alias": alias,
        "settings": Jsonb(msgspec.to_builtins(settings)),
        "prompt_sealed": None,
        "has_prompt": prompt is not None,
        "shared": shared,
        "disabled_at": now if disabled else None,
        "now": now,
    }
    found = await one(connection, QUERIES["model_put"], values)
    assert found is not None  # noqa: S101 - an upsert returns its row
    model_id: uuid.UUID = found["id"]
    if prompt:
        sealed = _seal(keyring, tenant_id, prompt, b"model", model_id)
        await connection.execute(QUERIES["model_prompt"], {"id": model_id, "prompt_sealed": sealed})
    await connection.execute(QUERIES["targets_clear"], {"model_id": model_id})
    for target in targets:
        provider = await get_provider(connection, target.provider)
        told = {"provider_id": provider.id, "name": target.name, "priority": target.priority, "weight": target.weight}
        await connection.execute(QUERIES["target_add"], {"tenant_id": tenant_id, "id": new_id(), "model_id": model_id, **told})
    body: dict[str, Json] = {"model": model_id, "alias": alias, "targets": len(targets), "shared": shared, "prompt": prompt is not None}
    await record(connection, tenant_id, kind="model.put", actor_id=actor_id, body=body, now=now)
    return model_id


async def get_model(connection: Connection, alias: str) -> Model:
    """The model of a name, with its targets.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["model_by_alias"], {"alias": alias})
    if found is None:
        raise _no_model(alias)
    return await _model(connection, found)


async def list_models(connection: Connection, *, after: uuid.UUID | None = None, limit: int = PAGE_MAX) -> list[Model]:
    """The tenant's own models, oldest first, from the one after `after`."""
    found = await rows(connection, QUERIES["models_page"], {"after": after or uuid.UUID(int=0), "limit": limit})
    return [await _model(connection, row) for row in found]


async def delete_model(connection: Connection, tenant_id: uuid.UUID, alias: str, *, actor_id: uuid.UUID | None, now: datetime) -> None:
    """Delete a model.

    Raises:
        NotFound: when there is none of that name.
    """
    found = await one(connection, QUERIES["model_delete"], {"alias": alias})
    if found is None:
        raise _no_model(alias)
    await record(connection, tenant_id, kind="model.deleted", actor_id=actor_id, body={"model": found["id"], "alias": alias}, now=now)


async def get_tenant_settings(connection: Connection) -> tuple[TenantSettings, bool]:
    """The gateway's settings of the tenant, and whether a system prompt is pinned."""
    found = await one(connection, QUERIES["gateway_settings_get"], {})
    if found is None:
        return TenantSettings(), False
    return settings_from(TenantSettings, found["settings"]), found["has_prompt"]


async def put_tenant_settings(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    settings: TenantSettings,
    *,
    prompt: str | None,
    actor_id: uuid.UUID | None,
    now: datetime,
) -> None:
    """Change the gateway's settings of the tenant.

    Args:
        prompt: a system prompt pinned to all its models; None leaves the one that is there, an empty one takes it away.

    Raises:
        RequestError: when the prompt is too long.
    """
    if prompt is not None and len(prompt) > PROMPT_CHARACTERS_MAX:
        raise RequestError(f"A pinned prompt has at most {PROMPT_CHARACTERS_MAX} characters.", param="prompt")
    values = {
        "tenant_id": tenant_id,
        "settings": Jsonb(msgspec.to_builtins(settings)),
        "prompt_sealed": _seal(keyring, tenant_id, prompt, b"gateway", tenant_id) if prompt else None,
        "has_prompt": prompt is not None,
        "now": now,
    }
    await connection.execute(QUERIES["gateway_settings_put"], values)
    body: dict[str, Json] = {"content": settings.content, "when_away": settings.when_away, "mark": settings.mark, "prompt": prompt is not None}
    await record(connection, tenant_id, kind="gateway.settings", actor_id=actor_id, body=body, now=now)


async def targets_at(connection: Connection, provider: str) -> set[str]:
    """The names that the tenant's models have at a provider."""
    return {row["name"] for row in await rows(connection, QUERIES["targets_at"], {"name": provider})}


async def get_prompts(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID) -> dict[str, str]:
    """The pinned prompts of the tenant's models by alias, and its own by the empty one: for an export, and to see what differs."""
    return {
        row["alias"]: open_prompt(keyring, tenant_id, row["id"], bytes(row["prompt_sealed"]))
        for row in await rows(connection, QUERIES["prompts"], {})
    }


async def operates(connection: Connection, tenant_id: uuid.UUID) -> bool:
    """Whether this tenant runs the installation."""
    found = await one(connection, QUERIES["operator_tenant"], {})
    return found is not None and found["id"] == tenant_id


def open_credential(keyring: KeyRing, tenant_id: uuid.UUID, provider_id: uuid.UUID, sealed: bytes) -> str:
    """The credential of a provider's row.

    Raises:
        KeyDestroyed: when the tenant was erased.
        SealBroken: when it was altered or moved.
    """
    return _open(keyring, tenant_id, sealed, b"provider", provider_id)


def open_prompt(keyring: KeyRing, tenant_id: uuid.UUID, row_id: uuid.UUID, sealed: bytes) -> str:
    """The pinned prompt of a model's row, or of the tenant's settings where the two ids are the same.

    Raises:
        KeyDestroyed: when the tenant was erased.
        SealBroken: when it was altered or moved.
    """
    return _open(keyring, tenant_id, sealed, b"gateway" if row_id == tenant_id else b"model", row_id)


def _seal(keyring: KeyRing, tenant_id: uuid.UUID, text: str, what: bytes, row_id: uuid.UUID) -> bytes:
    return seal_bytes(keyring.get(KeyOwner.tenant(tenant_id)), text.encode("utf-8", "surrogatepass"), what + row_id.bytes)


def _open(keyring: KeyRing, tenant_id: uuid.UUID, sealed: bytes, what: bytes, row_id: uuid.UUID) -> str:
    return open_bytes(keyring.get(KeyOwner.tenant(tenant_id)), sealed, what + row_id.bytes).decode("utf-8", "surrogatepass")


def _hint(credential: str) -> str:
    """The last four characters of a long credential, by which people tell two apart."""
    return credential[-4:] if len(credential) >= 20 else "set" if credential else ""


def _provider(row: dict[str, Any]) -> Provider:
    return Provider(**{**row, "settings": settings_from(ProviderSettings, row["settings"])})


async def _model(connection: Connection, row: dict[str, Any]) -> Model:
    told = await rows(connection, QUERIES["targets_of_model"], {"model_id": row["id"]})
    targets = tuple(Target(item["provider"], item["name"], item["priority"], item["weight"]) for item in told)
    return Model(**{**row, "settings": settings_from(ModelSettings, row["settings"])}, targets=targets)


def _no_provider(name: str) -> NotFound:
    return NotFound(f"There is no provider called {name[:100]}.", "`ondol provider list` shows all.", code="provider_not_found")


def _no_model(alias: str) -> NotFound:
    return NotFound(f"There is no model called {alias[:100]}.", "`ondol model list` shows all.", code="model_not_found", param="model")
