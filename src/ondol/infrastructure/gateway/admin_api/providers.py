"""Providers: where models are answered, and by which credential. A credential goes in and never comes out."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, WithJsonSchema

from ondol.core.errors import Forbidden, NotFound
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, Changed, GatewayServices, ProviderName, plain, schema_of
from ondol.infrastructure.serving import store
from ondol.infrastructure.serving.probe import probe_provider
from ondol.infrastructure.serving.rows import CREDENTIAL_CHARACTERS_MAX, shown_settings, with_password
from ondol.infrastructure.serving.settings import ProviderSettings, settings_from
from ondol.infrastructure.storage.postgres import Connection

Settings = Annotated[dict[str, Any], WithJsonSchema(schema_of(ProviderSettings))]
Credential = Annotated[str, Field(max_length=CREDENTIAL_CHARACTERS_MAX)]


class ProviderBody(Body):
    """A provider, whole: a setting that is absent has its default. Without `credential` the one that is there stays."""

    kind: Literal["openai", "anthropic"]
    base_url: str = Field(default="", max_length=2_000, description="Empty for the kind's own service.")
    credential: Credential | None = None
    settings: Settings = Field(default_factory=dict)


class CredentialBody(Body):
    """What takes the place of the credential."""

    credential: Annotated[str, Field(min_length=1, max_length=CREDENTIAL_CHARACTERS_MAX)]


class ProviderShown(BaseModel):
    """A provider; of its credential only a hint, of its proxy no password."""

    id: uuid.UUID
    name: str
    kind: str
    base_url: str
    credential_hint: str
    settings: Settings
    disabled_at: datetime | None
    created_at: datetime


class ProviderPage(BaseModel):
    """Providers, oldest first. `next` is what to give as `after` for the next page."""

    providers: list[ProviderShown]
    next: uuid.UUID | None


class ProbeShown(BaseModel):
    """What the provider's list of models said.

    `missing` are targets of the tenant's models that the provider does not list.
    """

    ok: bool
    models: list[str]
    missing: list[str]
    code: str
    message: str
    hint: str
    duration_ms: int


def providers_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/providers``."""
    router = APIRouter(prefix="/providers", tags=["providers"])
    _provider_routes(router, services)
    _use_routes(router, services)
    return router


def _provider_routes(router: APIRouter, services: GatewayServices) -> None:
    @router.get("", openapi_extra=READ)
    async def list_providers(
        after: uuid.UUID | None = None, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads
    ) -> ProviderPage:
        """The tenant's providers."""
        async with services.within(who) as connection:
            found = await store.list_providers(connection, after=after, limit=limit + 1)
        return ProviderPage(providers=[_shown(item) for item in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.get("/{name}", openapi_extra=READ)
    async def get_provider(name: ProviderName, who: Principal = services.reads) -> ProviderShown:
        """One provider."""
        async with services.within(who) as connection:
            return _shown(await store.get_provider(connection, name))

    @router.put("/{name}", openapi_extra=WRITE)
    async def put_provider(name: ProviderName, body: ProviderBody, who: Principal = services.writes) -> ProviderShown:
        """Add a provider, or change the one of that name. Requests follow within about a second."""
        settings = settings_from(ProviderSettings, body.settings)
        async with services.within(who) as connection:
            await _refuse_private(connection, who, name, body.base_url, settings)
            await store.put_provider(
                connection,
                services.keyring,
                who.tenant_id,
                name=name,
                kind=body.kind,
                base_url=body.base_url,
                credential=body.credential,
                settings=settings,
                actor_id=who.person_id,
                now=services.clock(),
            )
            return _shown(await store.get_provider(connection, name))

    @router.delete("/{name}", openapi_extra=WRITE)
    async def delete_provider(name: ProviderName, who: Principal = services.writes) -> Changed:
        """Delete a provider that no model uses."""
        async with services.within(who) as connection:
            await store.delete_provider(connection, who.tenant_id, name, actor_id=who.person_id, now=services.clock())
        return Changed()


def _use_routes(router: APIRouter, services: GatewayServices) -> None:
    @router.post("/{name}/disable", openapi_extra=WRITE)
    async def disable_provider(name: ProviderName, who: Principal = services.writes) -> ProviderShown:
        """Take a provider out of use."""
        return await set_disabled(who, name, disabled=True)

    @router.post("/{name}/enable", openapi_extra=WRITE)
    async def enable_provider(name: ProviderName, who: Principal = services.writes) -> ProviderShown:
        """Take it into use again."""
        return await set_disabled(who, name, disabled=False)

    @router.post("/{name}/credential", openapi_extra=WRITE)
    async def rotate_credential(name: ProviderName, body: CredentialBody, who: Principal = services.writes) -> ProviderShown:
        """Put another credential in the place of the one that is there. Requests in flight end with the old one."""
        async with services.within(who) as connection:
            now = services.clock()
            await store.rotate_credential(connection, services.keyring, who.tenant_id, name, body.credential, actor_id=who.person_id, now=now)
            return _shown(await store.get_provider(connection, name))

    @router.post("/{name}/test", openapi_extra=WRITE)
    async def test_provider(name: ProviderName, who: Principal = services.writes) -> ProbeShown:
        """Ask the provider for its models, and tell what fails. The credential is told to nobody but the provider."""
        async with services.within(who) as connection:
            row = await store.get_provider_row(connection, services.keyring, who.tenant_id, name)
            wanted = await store.targets_at(connection, name)
        probe = await probe_provider(row)
        missing = sorted(wanted - set(probe.models)) if probe.ok else []
        return ProbeShown(
            ok=probe.ok, models=list(probe.models), missing=missing, code=probe.code, message=probe.message, hint=probe.hint,
            duration_ms=probe.duration_ms,
        )  # fmt: skip

    async def set_disabled(who: Principal, name: str, *, disabled: bool) -> ProviderShown:
        async with services.within(who) as connection:
            await store.set_provider_disabled(connection, who.tenant_id, name, disabled=disabled, actor_id=who.person_id, now=services.clock())
            return _shown(await store.get_provider(connection, name))


async def _refuse_private(connection: Connection, who: Principal, name: str, base_url: str, settings: ProviderSettings) -> None:
    """A private address is the installation's own network: who runs the installation decides about it, not each tenant in it.

    Raises:
        Forbidden: when another tenant would newly reach into it.
    """
    if not settings.private_network or await store.operates(connection, who.tenant_id):
        return
    try:
        known = await store.get_provider(connection, name)
    except NotFound:
        known = None
    if (
        known is None
        or not known.settings.private_network
        or known.base_url != base_url
        or (settings.fetches_urls and not known.settings.fetches_urls)  # whoever asks would choose where it goes
        or known.settings.proxy_url != with_password(settings, known.settings).proxy_url  # by a proxy it would go anywhere
    ):
        raise Forbidden(
            "Only the tenant that runs this installation lets a provider have a private address.",
            f"On the machine: ondol provider add {name} --private-network, or ondol tenant operator.",
            code="not_operator",
        )


def _shown(provider: store.Provider) -> ProviderShown:
    return ProviderShown(
        id=provider.id,
        name=provider.name,
        kind=provider.kind,
        base_url=provider.base_url,
        credential_hint=provider.credential_hint,
        settings=plain(shown_settings(provider.settings)),
        disabled_at=provider.disabled_at,
        created_at=provider.created_at,
    )
