"""Which embedder or reranker a tenant's name stands for: a model of the tenant's, over the router, or a folder of the installation's."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.core.errors import RequestError
from ondol.infrastructure.serving.embedding import Embedder, EndpointEmbedder
from ondol.infrastructure.serving.reranking import EndpointReranker, Reranker
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database
from ondol.wiring.live_settings import LiveSettings

if TYPE_CHECKING:
    from ondol.infrastructure.serving.local import LocalModels
    from ondol.infrastructure.serving.local.session import LocalSession
    from ondol.infrastructure.serving.types import ModelRow, Operation
    from ondol.wiring.purchasing import Way

LOCAL_PREFIX = "local/"


class ModelFinder:
    """Finds the models that knowledge asks.

    A worker of the gateway lends its own way to providers; elsewhere one is opened when it is first needed.

    Args:
        models: the folder of the installation's local models.
        spool: where records of requests wait for Postgres.
    """

    def __init__(self, database: Database, keyring: KeyRing, live: LiveSettings, models: Path, spool: Path) -> None:
        self._models = models
        self._spool = spool
        self._local: LocalModels | None = None
        self._database = database
        self._keyring = keyring
        self._live = live
        self._lent: Way | None = None
        self._own: Way | None = None
        self._closing = contextlib.AsyncExitStack()
        self._opening = asyncio.Lock()

    def lend(self, way: Way) -> None:
        """Go this way from now on; it is kept fresh by whoever lends it."""
        self._lent = self._lent or way

    async def embedder(self, tenant_id: uuid.UUID, name: str) -> Embedder:
        """A tenant's embedder of a name: one of its models, or ``local/<folder>``, which every tenant may use.

        Raises:
            NotFound: when the tenant has no such model.
            RequestError: when it is an assistant, may not be asked for embeddings, or is a folder that cannot be run.
        """
        if name.startswith(LOCAL_PREFIX):
            from ondol.infrastructure.serving.local import LocalEmbedder

            return LocalEmbedder(await self._session(name))
        row, way = await self._model(tenant_id, name, "embeddings")
        return EndpointEmbedder(way.router, row, way.pay(tenant_id))

    async def reranker(self, tenant_id: uuid.UUID, name: str) -> Reranker:
        """A tenant's reranker of a name, as `embedder` finds embedders."""
        if name.startswith(LOCAL_PREFIX):
            from ondol.infrastructure.serving.local import LocalReranker

            return LocalReranker(await self._session(name))
        row, way = await self._model(tenant_id, name, "rerank")
        return EndpointReranker(way.router, row, way.pay(tenant_id))

    async def _session(self, name: str) -> LocalSession:
        from ondol.infrastructure.serving.local import LocalModels

        local = self._local = self._local or LocalModels(self._models)
        return await asyncio.to_thread(local.get, name.removeprefix(LOCAL_PREFIX))

    async def close(self) -> None:
        """Close what was opened here."""
        self._own = None
        await self._closing.aclose()

    async def _model(self, tenant_id: uuid.UUID, name: str, operation: Operation) -> tuple[ModelRow, Way]:
        from ondol.infrastructure.serving.directory import ModelCard

        way = self._lent or await self._opened()
        card = way.directory.model(way.directory.tenant(tenant_id), name)
        if not isinstance(card, ModelCard):
            raise RequestError(f"{name} is an assistant.", "Name a model.", code="wrong_model", param="model")
        if card.settings.operations is not None and operation not in card.settings.operations:
            message = f"The model {name} may not be asked for {operation}."
            raise RequestError(message, "Name one that may, or look at its setting `operations`.", code="wrong_model", param="model")
        return card.row, way

    async def _opened(self) -> Way:
        """A way of our own; the directory is read again when it has changed."""
        async with self._opening:
            if self._own is None:
                from ondol.wiring.purchasing import open_way

                self._own = await self._closing.enter_async_context(open_way(self._database, self._keyring, self._live, self._spool))
            await self._own.directory.refresh()
            return self._own
