"""Prompts in the admin API: for those who manage the tenant. Whoever asks an assistant never gets to see one."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from ondol.application.prompts.store import find_prompt, list_prompts, put_label, put_prompt
from ondol.application.prompts.templates_store import built_in_names
from ondol.application.prompts.types import FIELD_CHARACTERS_MAX, Language, Prompt, VariableType, plain_prompt, prompt_body, prompt_diff
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import GatewayServices

PromptName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
Label = Annotated[str, Path(pattern=r"^[a-z](-?[a-z0-9]){0,62}$", max_length=63)]
Text = Annotated[str, Field(max_length=FIELD_CHARACTERS_MAX)]
Which = Annotated[str, Query(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63, description="A version, a label, `latest` or `builtin`.")]


class ExampleBody(Body):
    """A question and the answer that is wanted."""

    question: Text
    answer: Text


class TextBody(Body):
    """A prompt in one language; `$name` stands for a variable, `$$` for a dollar sign."""

    role: Text
    goal: Text = ""
    constraints: list[Text] = Field(default=[], max_length=50)
    output_format: Text = ""
    examples: list[ExampleBody] = Field(default=[], max_length=20)


class PromptPut(Body):
    """A whole prompt: its texts by language, and its variables with their types."""

    texts: dict[Language, TextBody] = Field(min_length=1)
    variables: dict[str, VariableType] = Field(default={})


class LabelBody(Body):
    """Which version is called so: a number or another label."""

    version: str = Field(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)


class PromptShown(BaseModel):
    """A prompt with its texts. `version` is null for what comes with the platform."""

    name: str
    version: int | None
    digest: str
    prompt: dict[str, Any]


class PromptKept(BaseModel):
    """A version; `new` is false when the newest one said the same already."""

    name: str
    version: int | None
    digest: str
    new: bool


class VersionShown(BaseModel):
    """A version of a prompt."""

    name: str
    version: int
    digest: str
    built_in: bool
    labels: list[str]
    created_by: uuid.UUID | None
    created_at: datetime


class PromptList(BaseModel):
    """Versions by name, newest first, and the names of what comes with the platform."""

    prompts: list[VersionShown]
    built_in: list[str]


class Difference(BaseModel):
    """What differs, as a unified diff; empty when nothing does."""

    diff: str


class LabelMoved(BaseModel):
    """Which version has the label now; `changed` is false when it had it before."""

    version: int
    changed: bool


def prompts_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/prompts``."""
    router = APIRouter(prefix="/prompts", tags=["prompts"])

    @router.get("", openapi_extra=READ)
    async def list_all_prompts(
        name: str | None = Query(None, pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63), who: Principal = services.reads
    ) -> PromptList:
        """The versions of the tenant's prompts, or of one."""
        async with services.within(who) as connection:
            found = await list_prompts(connection, name)
        shown = [
            VersionShown(
                name=item.name,
                version=item.version,
                digest=item.digest.hex(),
                built_in=item.is_built_in,
                labels=list(item.labels),
                created_by=item.created_by,
                created_at=item.created_at,
            )
            for item in found
        ]
        return PromptList(prompts=shown, built_in=sorted(built_in_names()))

    @router.get("/{name}", openapi_extra=READ)
    async def show_prompt(name: PromptName, version: Which = "latest", who: Principal = services.reads) -> PromptShown:
        """A prompt with its texts."""
        async with services.within(who) as connection:
            found = await find_prompt(connection, services.keyring, who.tenant_id, f"{name}@{version}")
        return PromptShown(name=found.name, version=found.version, digest=found.digest.hex(), prompt=plain_prompt(found.body))

    @router.put("/{name}", openapi_extra=WRITE)
    async def set_prompt(name: PromptName, body: PromptPut, who: Principal = services.writes) -> PromptKept:
        """Keep a prompt: a new version, unless the newest one says the same. Nothing that is live changes by this."""
        checked = prompt_body(body.model_dump())
        async with services.within(who) as connection:
            kept, new = await put_prompt(connection, services.keyring, who.tenant_id, name, checked, by=who.person_id, now=services.clock())
        return PromptKept(name=kept.name, version=kept.version, digest=kept.digest.hex(), new=new)

    @router.get("/{name}/diff", openapi_extra=READ)
    async def diff_prompt(name: PromptName, first: Which, second: Which = "latest", who: Principal = services.reads) -> Difference:
        """What differs between two versions of a prompt."""

        async def found(which: str) -> Prompt:
            return await find_prompt(connection, services.keyring, who.tenant_id, f"{name}@{which}")

        async with services.within(who) as connection:
            return Difference(diff=prompt_diff(await found(first), await found(second)))

    @router.put("/{name}/labels/{label}", openapi_extra=WRITE)
    async def label_prompt(name: PromptName, label: Label, body: LabelBody, who: Principal = services.writes) -> LabelMoved:
        """Call a version by a label; one that was another version's moves."""
        async with services.within(who) as connection:
            named, moved = await put_label(
                connection, services.keyring, who.tenant_id, f"{name}@{body.version}", label, by=who.person_id, now=services.clock()
            )
        return LabelMoved(version=named.version or 0, changed=moved)

    return router
