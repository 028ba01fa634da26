"""The index versions of knowledge bases in the admin API. What takes long is left to the job worker."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from ondol.application.knowledge import store
from ondol.application.knowledge.embedding import PREFIX_CHARACTERS_MAX
from ondol.application.knowledge.index_versions import (
    IndexVersion,
    Wanted,
    activate_version,
    drop_version,
    find_version,
    keep_versions,
    kept_versions,
    list_versions,
    put_tag,
    remove_tag,
    roll_back,
    start_version,
    with_embedder,
)
from ondol.application.knowledge.index_versions.keep import DAYS_KEPT_MAX, VERSIONS_KEPT_MAX
from ondol.application.knowledge.index_versions.store import State, count_missing, previous_version
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.tuning import tune
from ondol.application.knowledge.types import PASSAGE_CHARS_MAX, PASSAGE_CHARS_MIN, Retrieval
from ondol.infrastructure.access.route_roles import READ, WRITE, Body, RoleGate
from ondol.infrastructure.access.types import Principal

RETRIEVAL = Retrieval()
BaseName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
VersionName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63, description="A number, a tag, `active` or `previous`.")]


@dataclass(frozen=True, slots=True)
class KnowledgeServices(RoleGate):
    """What the routes work with.

    Attributes:
        principal: who sends a request, roles included; it was authenticated before.
    """

    knowledge: Knowledge
    principal: Callable[[Request], Principal]

    async def base_id(self, who: Principal, name: str) -> uuid.UUID:
        """The caller's base of a name. Raises `NotFound`."""
        async with self.knowledge.database.tenant_tx(who.tenant_id) as connection:
            return (await store.find_base(connection, name)).id

    async def version(self, who: Principal, base: str, name: str) -> IndexVersion:
        """A version of the caller's base. Raises `NotFound`."""
        async with self.knowledge.database.tenant_tx(who.tenant_id) as connection:
            return await find_version(connection, (await store.find_base(connection, base)).id, name)


class BuildBody(Body):
    """A version to be built; what is absent is as in the one that serves. `reuse` lets postings be copied where they would be the same.

    `embedder` names a model of the tenant that makes embeddings; empty for an index without vectors. The prefixes are what the model wants to stand
    before a question and a passage.
    """

    passage_chars: int | None = Field(default=None, ge=PASSAGE_CHARS_MIN, le=PASSAGE_CHARS_MAX)
    passage_chars_max: int | None = Field(default=None, ge=PASSAGE_CHARS_MIN, le=PASSAGE_CHARS_MAX)
    embedder: str | None = Field(default=None, max_length=200)
    query_prefix: str = Field(default="", max_length=PREFIX_CHARACTERS_MAX)
    passage_prefix: str = Field(default="", max_length=PREFIX_CHARACTERS_MAX)
    activate: bool = False
    reuse: bool = True


class KeepBody(Body):
    """How many versions are kept, the one that serves included, and for how many days those that do not."""

    versions: int = Field(ge=1, le=VERSIONS_KEPT_MAX)
    days: int | None = Field(default=None, ge=1, le=DAYS_KEPT_MAX)


class RetrievalBody(Body):
    """How a base is searched; what is absent is at its default. All but the reranker matters only where the index has vectors."""

    fusion: Literal["ranks", "scores"] = Field(default=RETRIEVAL.fusion, description="By reciprocal ranks, or by weighted scores.")
    rank_constant: int = Field(default=RETRIEVAL.rank_constant, ge=1, le=1000)
    vector_weight: float = Field(default=RETRIEVAL.vector_weight, ge=0, le=1, description="The vectors' share; the full text has the rest.")
    depth: int = Field(default=RETRIEVAL.depth, ge=10, le=1000, description="So many passages of each ranking are put together.")
    diversity: float = Field(default=RETRIEVAL.diversity, ge=0, le=1, description="How much saying something new counts beside relevance.")
    reranker: str = Field(default=RETRIEVAL.reranker, max_length=200, description="A model that scores the best passages anew; empty for none.")
    rerank_depth: int = Field(default=RETRIEVAL.rerank_depth, ge=1, le=100, description="So many of them.")


class TagBody(Body):
    """Which version is called so."""

    version: str = Field(max_length=63)


class Changed(BaseModel):
    """It is done."""

    changed: bool = True


class VersionShown(BaseModel):
    """An index version. Only one of a base is active. `previous` is the one that a roll-back lets serve; `missing` counts the documents that a
    version which is being built does not hold yet.
    """

    number: int
    id: uuid.UUID
    state: State
    tags: list[str]
    passage_chars: int
    passage_chars_max: int
    analyser: str
    embedder: str | None
    dimensions: int | None
    passages: int
    vectors: int
    segments: int
    created_at: datetime
    built_at: datetime | None
    activated_at: datetime | None
    keep_until: datetime | None
    failure: str
    previous: bool = False
    missing: int | None = None


class VersionList(BaseModel):
    """Versions, newest first."""

    versions: list[VersionShown]


def index_router(services: KnowledgeServices) -> APIRouter:
    """The routes below ``/bases/{base}/index``."""
    router = APIRouter(prefix="/bases/{base}/index", tags=["index"])
    _version_routes(router, services)
    _keeping_routes(router, services)
    _retrieval_routes(router, services)
    return router


def _version_routes(router: APIRouter, services: KnowledgeServices) -> None:
    room = services.knowledge

    @router.get("/versions", openapi_extra=READ)
    async def list_index_versions(base: BaseName, who: Principal = services.reads) -> VersionList:
        """The index versions of a base."""
        base_id = await services.base_id(who, base)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found, before = await list_versions(connection, base_id), await previous_version(connection, base_id)
            missing = {version.id: await count_missing(connection, version) for version in found if version.state == "building"}
        shown = [_shown(version).model_copy(update={"previous": version.id == before, "missing": missing.get(version.id)}) for version in found]
        return VersionList(versions=shown)

    @router.post("/versions", openapi_extra=WRITE)
    async def build_index_version(base: BaseName, body: BuildBody, who: Principal = services.writes) -> VersionShown:
        """Have a version built by the job worker, which begins within seconds. It is `ready` (or `active`, if that is wanted) when it is whole."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_base(connection, base)
        sized = found.settings.resized(body.passage_chars, body.passage_chars_max)
        prefixes = {"query_prefix": body.query_prefix, "passage_prefix": body.passage_prefix}
        settings = await with_embedder(room, who.tenant_id, sized, body.embedder, **prefixes)
        wanted = Wanted(activate=body.activate, reuse=body.reuse)
        return _shown(await start_version(room, who.tenant_id, found.id, settings, wanted, actor_id=who.person_id))

    @router.post("/rebuild", openapi_extra=WRITE)
    async def rebuild_index(base: BaseName, who: Principal = services.writes) -> VersionShown:
        """Have the index built anew from the sealed texts alone, in the place of all versions: after a restore, or where a part of it is lost."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_base(connection, base)
        wanted = Wanted(activate=True, reuse=False, replace=True)
        return _shown(await start_version(room, who.tenant_id, found.id, found.settings, wanted, actor_id=who.person_id))

    @router.post("/versions/{version}/activate", openapi_extra=WRITE)
    async def activate_index_version(base: BaseName, version: VersionName, who: Principal = services.writes) -> VersionShown:
        """Let a version serve from the next search on."""
        found = await services.version(who, base, version)
        return _shown(await activate_version(room, who.tenant_id, found.id, actor_id=who.person_id))

    @router.post("/rollback", openapi_extra=WRITE)
    async def roll_index_back(base: BaseName, who: Principal = services.writes) -> VersionShown:
        """Let the version serve that served before."""
        return _shown(await roll_back(room, who.tenant_id, await services.base_id(who, base), actor_id=who.person_id))

    @router.delete("/versions/{version}", openapi_extra=WRITE)
    async def drop_index_version(base: BaseName, version: VersionName, who: Principal = services.writes) -> Changed:
        """Give a version up that does not serve."""
        found = await services.version(who, base, version)
        await drop_version(room, who.tenant_id, found.id, actor_id=who.person_id)
        return Changed()


def _retrieval_routes(router: APIRouter, services: KnowledgeServices) -> None:
    room = services.knowledge

    @router.get("/retrieval", openapi_extra=READ)
    async def show_retrieval(base: BaseName, who: Principal = services.reads) -> RetrievalBody:
        """How a base is searched."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_base(connection, base)
        return RetrievalBody.model_validate(msgspec.to_builtins(found.retrieval))

    @router.put("/retrieval", openapi_extra=WRITE)
    async def tune_retrieval(base: BaseName, body: RetrievalBody, who: Principal = services.writes) -> Changed:
        """Search a base so from the next search on."""
        retrieval = msgspec.convert(body.model_dump(), Retrieval)
        await tune(room, who.tenant_id, await services.base_id(who, base), retrieval, actor_id=who.person_id)
        return Changed()


def _keeping_routes(router: APIRouter, services: KnowledgeServices) -> None:
    room = services.knowledge

    @router.get("/keep", openapi_extra=READ)
    async def show_kept_versions(base: BaseName, who: Principal = services.reads) -> KeepBody:
        """How many versions are kept, and for how long."""
        base_id = await services.base_id(who, base)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            versions, days = await kept_versions(connection, base_id)
        return KeepBody(versions=versions, days=days)

    @router.put("/keep", openapi_extra=WRITE)
    async def keep_index_versions(base: BaseName, body: KeepBody, who: Principal = services.writes) -> Changed:
        """How many versions are kept, and for how long. What has a tag stays."""
        await keep_versions(room, who.tenant_id, await services.base_id(who, base), body.versions, body.days, actor_id=who.person_id)
        return Changed()

    @router.put("/tags/{name}", openapi_extra=WRITE)
    async def tag_index_version(base: BaseName, name: VersionName, body: TagBody, who: Principal = services.writes) -> Changed:
        """Call a version by a name, which may have been another's."""
        found = await services.version(who, base, body.version)
        await put_tag(room, who.tenant_id, found.id, name, actor_id=who.person_id)
        return Changed()

    @router.delete("/tags/{name}", openapi_extra=WRITE)
    async def untag_index_version(base: BaseName, name: VersionName, who: Principal = services.writes) -> Changed:
        """Take a name away."""
        await remove_tag(room, who.tenant_id, await services.base_id(who, base), name, actor_id=who.person_id)
        return Changed()


def _shown(version: IndexVersion) -> VersionShown:
    return VersionShown(
        number=version.number,
        id=version.id,
        state="active" if version.is_active else version.state,
        tags=list(version.tags),
        passage_chars=version.settings.passage_chars,
        passage_chars_max=version.settings.passage_chars_max,
        analyser=version.analyser_id,
        embedder=version.settings.embedder.name if version.settings.embedder else None,
        dimensions=version.settings.embedder.dimensions if version.settings.embedder else None,
        passages=version.passages,
        vectors=version.vectors,
        segments=version.segments,
        created_at=version.created_at,
        built_at=version.built_at,
        activated_at=version.activated_at,
        keep_until=version.keep_until,
        failure=version.failure,
    )
