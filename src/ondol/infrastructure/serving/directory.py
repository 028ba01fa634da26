"""What answers each tenant's models, and how the gateway treats the tenant: kept in memory, so that no request waits for Postgres.

A change is told by NOTIFY and seen at once; a lost notice is found by a counter that is read every second (`postgres.follow`).
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ondol.core.errors import KeyDestroyed, NotFound, OndolError, SealBroken
from ondol.infrastructure.serving.rows import row_of
from ondol.infrastructure.serving.settings import ModelSettings, ProviderSettings, TenantSettings, settings_from
from ondol.infrastructure.serving.store import QUERIES, open_credential, open_prompt
from ondol.infrastructure.serving.types import ModelRow, ProviderRow, TargetRow
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, follow, one, rows

ASSISTANT_PREFIX = "assistant/"
_READ = {
    "providers": "serving_providers",
    "models": "serving_models",
    "targets": "serving_targets",
    "tenants": "serving_tenants",
    "assistants": "serving_assistants",
}
"""What is read, by the name of its query."""

_LOG = logging.getLogger("ondol.serving")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model that a tenant may call.

    Attributes:
        prompt: pinned by whoever owns the model; empty for none.
        owner: the tenant that registered it: whose provider is asked, and who pays it.
    """

    row: ModelRow
    settings: ModelSettings
    prompt: str
    owner: uuid.UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AssistantCard:
    """An assistant that a tenant may call, by its name without ``assistant/``.

    Attributes:
        release_id: the release that serves; None where it has none yet. A request is answered by the one that it found here, to its end.
        route: the tenant's model that the release names, by its alias; empty when it names none.
        context_tokens: what of that model's context the release takes; None for what the model has.
        policy: the digest of the guard policy's version that the release names, 32 bytes; None where that is chosen by what is bound.
    """

    id: uuid.UUID
    name: str
    base: str
    created_at: datetime
    release_id: uuid.UUID | None = None
    route: str = ""
    context_tokens: int | None = None
    policy: bytes | None = None


@dataclass(frozen=True, slots=True)
class TenantCard:
    """A tenant as the gateway knows it.

    Attributes:
        prompt: a system prompt pinned to every request; empty for none.
        models: its own by alias; those that are shared with all are known to `ServingDirectory.model`.
        operates: it runs this installation.
    """

    id: uuid.UUID
    settings: TenantSettings = field(default_factory=TenantSettings)
    prompt: str = ""
    currency: str = "USD"
    models: Mapping[str, ModelCard] = field(default_factory=dict)
    assistants: Mapping[str, AssistantCard] = field(default_factory=dict)
    slug: str = ""
    operates: bool = False


class ServingDirectory:
    """Every tenant's models and settings, in memory.

    Args:
        monotonic: seconds, for `age_seconds`.
        slugs: brought up to date with every tenant's, for those who need nothing else.

    Attributes:
        failing: what is wrong, for readiness; empty when all is well.
    """

    def __init__(
        self, database: Database, keyring: KeyRing, monotonic: Callable[[], float] = time.monotonic, *, slugs: dict[uuid.UUID, str] | None = None
    ) -> None:
        self._slugs = {} if slugs is None else slugs
        self.failing: dict[str, str] = {"models": "are being read"}
        self._database = database
        self._keyring = keyring
        self._monotonic = monotonic
        self._tenants: Mapping[uuid.UUID, TenantCard] = {}
        self._shared: Mapping[str, ModelCard] = {}
        self._revision = -1
        self._reading = asyncio.Lock()
        self._seen_at = float("-inf")

    @property
    def age_seconds(self) -> float:
        """How long ago the directory last agreed with Postgres; infinite before the first time."""
        return self._monotonic() - self._seen_at

    def tenant(self, tenant_id: uuid.UUID) -> TenantCard:
        """A tenant's card; one with everything at its default where nothing is known."""
        return self._tenants.get(tenant_id) or TenantCard(tenant_id)

    def model(self, tenant: TenantCard, name: str) -> ModelCard | AssistantCard:
        """What a name stands for: the tenant's own model before a shared one.

        Raises:
            NotFound: when the tenant may call nothing of that name.
        """
        if name.startswith(ASSISTANT_PREFIX):
            assistant = tenant.assistants.get(name[len(ASSISTANT_PREFIX) :])
            if assistant is not None:
                return assistant
        else:
            card = tenant.models.get(name) or self._shared.get(name)
            if card is not None:
                return card
        raise NotFound(f"There is no model called {name[:100]}.", "GET /v1/models lists what you may call.", code="model_not_found", param="model")

    def models(self, tenant: TenantCard) -> list[tuple[str, ModelCard | AssistantCard]]:
        """All that a tenant may call, by name: its assistants, its own models, the shared ones."""
        found: dict[str, ModelCard | AssistantCard] = {ASSISTANT_PREFIX + name: card for name, card in tenant.assistants.items()}
        return list((found | dict(self._shared) | dict(tenant.models)).items())

    def operates(self, tenant_id: uuid.UUID) -> bool:
        """Whether a tenant runs this installation: the one that is said to, or the only one."""
        return self.tenant(tenant_id).operates or (len(self._tenants) == 1 and tenant_id in self._tenants)

    def targets(self) -> Iterator[TargetRow]:
        """Every place that answers some model, of all tenants."""
        for tenant in self._tenants.values():
            for card in tenant.models.values():
                yield from card.row.targets

    async def refresh(self) -> None:
        """Read the counter, and everything when it moved."""
        async with self._database.system_tx() as connection:
            await self._read(connection)

    async def run(self) -> None:
        """Keep the directory fresh until cancelled, over one connection of its own: woken by notices, and by the clock where one was lost."""
        await follow(self._database, "ondol_serving", self._read, name="models", log=_LOG)

    async def _read(self, connection: Connection) -> None:
        async with self._reading:  # an older reading that ends later would bring back what is gone
            await self._read_alone(connection)

    async def _read_alone(self, connection: Connection) -> None:
        began_at = self._monotonic()
        found = await one(connection, QUERIES["serving_revision"], {})
        revision = found["revision"] if found else 0
        if revision != self._revision or self.failing:
            said = {name: await rows(connection, QUERIES[query], {}) for name, query in _READ.items()}
            built = await asyncio.to_thread(_Builder(self._keyring).build, said)
            self._tenants, self._shared, self.failing = built
            self._slugs.update((tenant.id, tenant.slug) for tenant in self._tenants.values())
            self._revision = revision
        self._seen_at = began_at


class _Builder:
    """Makes cards of rows. What cannot be read is left out and told: one tenant's broken row stops nobody else's requests."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring
        self._broken = 0

    def build(self, said: Mapping[str, list[dict[str, Any]]]) -> tuple[dict[uuid.UUID, TenantCard], dict[str, ModelCard], dict[str, str]]:
        providers = {(row["tenant_id"], row["id"]): made for row in said["providers"] if (made := self._provider(row)) is not None}
        targets: dict[tuple[uuid.UUID, uuid.UUID], list[TargetRow]] = {}
        for row in said["targets"]:
            provider = providers.get((row["tenant_id"], row["provider_id"]))
            if provider is not None:
                target = TargetRow(row["id"], provider, row["name"], row["priority"], row["weight"])
                targets.setdefault((row["tenant_id"], row["model_id"]), []).append(target)
        models: dict[uuid.UUID, dict[str, ModelCard]] = {}
        shared: dict[str, ModelCard] = {}
        for row in said["models"]:
            card = self._model(row, targets.get((row["tenant_id"], row["id"]), []))
            if card is not None:
                models.setdefault(row["tenant_id"], {})[row["alias"]] = card
                if row["shared"]:
                    shared[row["alias"]] = card
        assistants: dict[uuid.UUID, dict[str, AssistantCard]] = {}
        for row in said["assistants"]:
            policy = bytes.fromhex(row["policy"]) if row["policy"] else None
            release = row["release_id"], row["route"] or "", row["context_tokens"], policy
            assistant = AssistantCard(row["id"], row["name"], row["base"], row["created_at"], *release)
            assistants.setdefault(row["tenant_id"], {})[row["name"]] = assistant
        tenants = {}
        for row in said["tenants"]:
            tenant_id = row["tenant_id"]
            tenants[tenant_id] = self._tenant(row, models.get(tenant_id, {}), assistants.get(tenant_id, {}))
        failing = {"models": f"{self._broken} rows cannot be read"} if self._broken else {}
        return tenants, shared, failing

    def _provider(self, row: Mapping[str, Any]) -> ProviderRow | None:
        if row["is_disabled"]:
            return None
        try:
            settings = settings_from(ProviderSettings, row["settings"])
            sealed = row["credential_sealed"]
            credential = open_credential(self._keyring, row["tenant_id"], row["id"], bytes(sealed)) if sealed else ""
        except (OndolError, SealBroken, KeyDestroyed) as error:
            self._tell("provider", row, error)
            return None
        return row_of(row["tenant_id"], row["id"], row["name"], row["kind"], row["base_url"], credential, settings)

    def _model(self, row: Mapping[str, Any], targets: list[TargetRow]) -> ModelCard | None:
        try:
            settings = settings_from(ModelSettings, row["settings"])
            prompt = open_prompt(self._keyring, row["tenant_id"], row["id"], bytes(row["prompt_sealed"])) if row["prompt_sealed"] else ""
        except (OndolError, SealBroken, KeyDestroyed) as error:
            self._tell("model", row, error)
            return None
        made = ModelRow(row["tenant_id"], row["id"], row["alias"], tuple(targets), settings.retries_max, settings.sticky)
        return ModelCard(made, settings, prompt, row["tenant_id"], row["created_at"])

    def _tenant(self, row: Mapping[str, Any], models: Mapping[str, ModelCard], assistants: Mapping[str, AssistantCard]) -> TenantCard:
        tenant_id = row["tenant_id"]
        try:
            settings = settings_from(TenantSettings, row["settings"] or {})
            prompt = open_prompt(self._keyring, tenant_id, tenant_id, bytes(row["prompt_sealed"])) if row["prompt_sealed"] else ""
        except (OndolError, SealBroken, KeyDestroyed) as error:
            self._tell("settings", row, error)
            # A pinned prompt that cannot be opened must not be left out in silence: the tenant's models are closed.
            return TenantCard(tenant_id, TenantSettings(content="off"), currency=row["currency"], slug=row["slug"])
        return TenantCard(tenant_id, settings, prompt, row["currency"], models, assistants, row["slug"], row["operates"])

    def _tell(self, what: str, row: Mapping[str, Any], error: Exception) -> None:
        self._broken += 1
        _LOG.error("row cannot be read", extra={"what": what, "tenant": str(row["tenant_id"]), "reason": type(error).__name__})
