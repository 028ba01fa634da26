"""The stores of an installation, opened, and what the rooms are built on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ondol.application.assistant.answer import AssistantRoom, Generator
from ondol.application.assistant.cache import AnswerCache
from ondol.application.assistant.release import declare_release
from ondol.application.assistant.store import list_assistants
from ondol.application.declaration import DeclarationRoom
from ondol.application.knowledge.attachments.keep import AttachmentLimits
from ondol.application.knowledge.content import OpenedTexts
from ondol.application.knowledge.embedding import Embeddings
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.search import IndexStates
from ondol.core.clock import Clock, utc_now
from ondol.core.config import ModelSettings, Settings
from ondol.core.errors import OndolError
from ondol.infrastructure.access.audiences import VisibleAudiences
from ondol.infrastructure.access.people import list_tenants
from ondol.infrastructure.access.sign_in import SignIn
from ondol.infrastructure.storage.blobs import EnvironmentKeyProvider, FileKeyProvider, KeyProvider, KeyRing, SealedBlobs, open_store
from ondol.infrastructure.storage.folder import DataFolder, open_folder
from ondol.infrastructure.storage.lance import RESIDENT_VECTOR_BYTES_MAX, LanceRoot, SegmentShelf
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses
from ondol.wiring.embedding import ModelFinder
from ondol.wiring.live_settings import LiveSettings, as_live
from ondol.wiring.stores import Stores
from ondol.wiring.verdicts import gate_of

if TYPE_CHECKING:
    from ondol.infrastructure.serving.routing import Router

RESIDENT_SHARE = 8
"""Vectors of a segment are kept in memory where they take no more than this share of what vectors may take: only then several segments fit."""


_LOG = logging.getLogger("ondol.assistant")
CHARACTER_BYTES = 4
"""What a character of a text takes in memory at most."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything below the rooms, opened.

    Attributes:
        live: the settings, for whoever keeps what is made of them.
        models: finds the models that knowledge asks.
    """

    live: LiveSettings
    folder: DataFolder
    database: Database
    keyring: KeyRing
    blobs: SealedBlobs
    lance: LanceRoot
    knowledge: Knowledge
    clock: Clock
    models: ModelFinder

    async def close(self) -> None:
        """Close what was opened: first what still works by itself, whose use of the database would open it again."""
        await self.models.close()
        await self.database.close()
        await asyncio.to_thread(self.lance.close)

    @property
    def settings(self) -> Settings:
        """The settings in force at this moment."""
        return self.live.now

    def attachment_limits(self) -> AttachmentLimits:
        """How much may be brought to a conversation at this moment."""
        told = self.settings.attachments
        return AttachmentLimits(told.files_max, told.bytes_max, told.passages_max)

    @property
    def declaration_room(self) -> DeclarationRoom:
        """What applying and exporting declarations works with."""
        return DeclarationRoom(self.database, self.keyring, self.settings.sign_in, self.clock, os.environ, partial(gate_of, self.folder, self.clock))

    @property
    def sign_in(self) -> SignIn:
        """What signing in works with."""
        return SignIn(self.database, self.keyring, self.settings.sign_in, self.clock)


@contextlib.asynccontextmanager
async def open_platform(settings: Settings | LiveSettings, *, clock: Clock = utc_now) -> AsyncIterator[Platform]:
    """Open the stores for a command, whose settings stay, or for a worker, whose settings may change.

    Where nobody runs the embedded Postgres of the data folder it is started for as long as this lasts; otherwise the running one is used.

    Raises:
        DataFolderError: when the stores cannot be opened or do not come up.
    """
    live = as_live(settings)
    folder = open_folder(live.now.data_dir)
    stores = Stores(live.now, folder)
    with stores.used() if stores.is_embedded else contextlib.nullcontext():
        owns = await asyncio.to_thread(_open_stores, stores)
        try:
            platform = build_platform(live, folder, stores.addresses(), clock)
            try:
                yield platform
            finally:
                await platform.close()
        except BaseException:
            if owns:
                await asyncio.to_thread(stores.stop)
                owns = False
            raise
    if owns:
        await asyncio.to_thread(stores.stop_when_unused)


def _open_stores(stores: Stores) -> bool:
    if stores.is_embedded:
        return stores.start_or_join()
    stores.prepare()
    return False


@contextlib.asynccontextmanager
async def opened_router(proxy_url: str = "") -> AsyncIterator[Router]:
    """The way to providers for a command; a worker has one of its own.

    Args:
        proxy_url: the installation's outbound proxy; empty for none.
    """
    from ondol.infrastructure.serving.http import HttpClient
    from ondol.infrastructure.serving.providers import new_providers
    from ondol.infrastructure.serving.routing import Router

    client = HttpClient()
    try:
        yield Router(client, new_providers(proxy_url))
    finally:
        await client.close()


def assistant_room(
    platform: Platform,
    organisations: Mapping[uuid.UUID, str],
    router: Router | None = None,
    canary_of: Callable[[uuid.UUID], Awaitable[str]] | None = None,
) -> AssistantRoom:
    """The assistants' room, with a generative model when the settings name one.

    Args:
        organisations: readable names by tenant, kept up to date by whoever passes it.
        router: the way to the model; without one the extractive model answers.
        canary_of: the word that stands in a tenant's system prompts and must not come out.
    """
    generator = generator_of(platform.settings.model, router) if router is not None else None
    characters_max = platform.settings.storage.answer_cache_mb * 2**20 // CHARACTER_BYTES
    cache = AnswerCache(characters_max) if characters_max else None
    return AssistantRoom(platform.knowledge, IndexStates(), generator, lambda tenant_id: organisations.get(tenant_id, ""), canary_of, cache)


async def release_assistants(platform: Platform) -> None:
    """Give assistants a release that have none, such as those of before there were releases, so that every answer names one."""
    for tenant in await list_tenants(platform.database):
        async with platform.database.tenant_tx(tenant.id) as connection:
            without = [item for item in await list_assistants(connection) if item.release_id is None]
        for assistant in without:
            try:
                async with platform.database.tenant_tx(tenant.id) as connection:
                    await declare_release(platform.database, platform.keyring, connection, tenant.id, assistant, platform.clock)
            except OndolError as error:
                _LOG.warning("assistant has no release", extra={"assistant": assistant.name, "tenant": tenant.slug, "reason": type(error).__name__})


def generator_of(model: ModelSettings, router: Router) -> Generator | None:
    """The generative model that the settings name; None when they name none.

    Raises:
        SettingsError: its address or key cannot be used.
    """
    if not (model.base_url or model.api_key):
        return None
    from ondol.infrastructure.serving.chat_model import ChatModel

    provider = ChatModel(router, model.base_url, model.api_key, model.name, float(model.timeout_s))
    return Generator(model.name, provider.stream, model.context_tokens, model.evidence_turn, urlsplit(model.base_url).netloc.rpartition("@")[2])


def key_provider(settings: Settings, folder: DataFolder) -> KeyProvider:
    """Whoever wraps the data keys."""
    if settings.keys.provider == "environment":
        return EnvironmentKeyProvider.from_environment(os.environ)
    return FileKeyProvider.open_or_create(Path(settings.keys.file) if settings.keys.file else folder.root_key)


def build_platform(settings: Settings | LiveSettings, folder: DataFolder, addresses: DatabaseAddresses, clock: Clock) -> Platform:
    """Join the stores of a data folder and a migrated database. `open_platform` does it for commands and workers."""
    live = as_live(settings)
    storage, limits = live.now.storage, live.now.database
    database = Database(addresses, pool_max=limits.pool_max, statement_timeout_ms=limits.statement_timeout_ms)
    keyring = KeyRing(open_store(storage.keyring_url or folder.keyring), key_provider(live.now, folder))
    blobs = SealedBlobs(open_store(storage.blobs_url or folder.blobs), keyring)
    lance = LanceRoot(storage.lance_url or folder.lance)
    half = storage.index_cache_mb * 2**20 // 2
    most = storage.vector_cache_mb * 2**20
    resident = max(RESIDENT_VECTOR_BYTES_MAX, most // RESIDENT_SHARE)
    shelf = SegmentShelf(lance, segment_bytes_max=half, posting_bytes_max=half, vector_bytes_max=most, resident_vector_bytes_max=resident)
    models = ModelFinder(database, keyring, live, folder.models, folder.spool)
    knowledge = Knowledge(
        database=database,
        keyring=keyring,
        blobs=blobs,
        lance=lance,
        shelf=shelf,
        visible=VisibleAudiences(),
        texts=OpenedTexts(blobs),
        clock=clock,
        embeddings=Embeddings(models.embedder),
        reranker_of=models.reranker,
    )
    return Platform(live, folder, database, keyring, blobs, lance, knowledge, clock, models)
