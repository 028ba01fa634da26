"""Widgets in the admin API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from ondol.application.channels.widgets import manage
from ondol.application.channels.widgets.front import PREFIX, told_visit
from ondol.application.channels.widgets.identity import GROUPS_MAX
from ondol.application.channels.widgets.script import FILE, element_script
from ondol.application.channels.widgets.store import find_widget, list_widgets
from ondol.application.channels.widgets.types import Algorithm, NewWidget, Widget
from ondol.application.channels.widgets.visits import login_of, open_preview
from ondol.application.erasure.ask import REASON_DEFAULT, erase_subject
from ondol.application.knowledge.rooms import Knowledge
from ondol.infrastructure.access.route_roles import READ, WRITE, Body, RoleGate
from ondol.infrastructure.access.types import Principal

WidgetName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
Origin = Annotated[str, Field(min_length=1, max_length=300)]
GroupName = Annotated[str, Field(min_length=1, max_length=200)]
PerMinute = Annotated[int, Field(ge=1, le=100_000)]
PerCustomer = Annotated[int, Field(ge=1, le=1_000)]
PUBLIC_KEY_CHARACTERS_MAX = 2_000
DEFAULTS = NewWidget("", "", ())


@dataclass(frozen=True, slots=True)
class WidgetServices(RoleGate):
    """What the routes work with.

    Attributes:
        principal: who sends a request, roles included; it was authenticated before.
        notice_of: what a tenant's people are told before they ask.
    """

    knowledge: Knowledge
    notice_of: Callable[[uuid.UUID], Mapping[str, str]]
    principal: Callable[[Request], Principal]


class WidgetBody(Body):
    """A widget to be made. Without `public_key` a secret is made, with which the site's server signs (HS256); with one it signs with Ed25519."""

    name: str = Field(min_length=1, max_length=63)
    assistant: str = Field(min_length=1, max_length=63, description="An assistant's name.")
    origins: list[Origin] = Field(max_length=manage.ORIGINS_MAX)
    groups: list[GroupName] = Field(default=[], max_length=GROUPS_MAX, description="The most that anybody may read through it: what these may.")
    visitors: bool = Field(default=DEFAULTS.visitors, description="Whether somebody may ask whom the site does not name.")
    open_documents: bool = Field(default=DEFAULTS.open_documents, description="Whether what is open to everybody of the tenant may be read too.")
    questions_per_minute: PerMinute = DEFAULTS.questions_per_minute
    questions_per_customer: PerCustomer = DEFAULTS.questions_per_customer
    public_key: str = Field(default="", max_length=PUBLIC_KEY_CHARACTERS_MAX)


class WidgetChange(Body):
    """What is to change; what is left out stays. It holds at once, also for those who are asking."""

    origins: list[Origin] | None = Field(default=None, max_length=manage.ORIGINS_MAX)
    groups: list[GroupName] | None = Field(default=None, max_length=GROUPS_MAX)
    visitors: bool | None = None
    open_documents: bool | None = None
    questions_per_minute: PerMinute | None = None
    questions_per_customer: PerCustomer | None = None


class RotateBody(Body):
    """Another secret, or another public key. What was signed with the one before counts for `grace_minutes` more."""

    public_key: str = Field(default="", max_length=PUBLIC_KEY_CHARACTERS_MAX)
    grace_minutes: int = Field(default=0, ge=0, le=manage.GRACE_MINUTES_MAX)


class PreviewBody(Body):
    """The console's own origin."""

    origin: Origin


class CustomerBody(Body):
    """A customer by the name that the site has for them; without one, all who asked without a name."""

    customer: str = Field(default="", max_length=200)
    reason: str = Field(default=REASON_DEFAULT, max_length=63, description="A fixed word; it stays in the ledger.")


class WidgetShown(BaseModel):
    """A widget. `script` is where a site loads its element from, on this installation's own address; `integrity` is the digest of that file."""

    name: str
    public_id: str
    assistant: str
    algorithm: Algorithm
    origins: list[str]
    groups: list[str]
    visitors: bool
    open_documents: bool
    questions_per_minute: int
    questions_per_customer: int
    script: str
    integrity: str
    created_at: datetime
    revoked_at: datetime | None


class WidgetMade(WidgetShown):
    """A new widget with its secret, which is shown this time only; empty where the site has a key of its own."""

    secret: str


class WidgetList(BaseModel):
    """Widgets, the oldest first."""

    widgets: list[WidgetShown]


class SecretShown(BaseModel):
    """The new secret, which is shown this time only; empty where the site has a key of its own."""

    secret: str


class Preview(BaseModel):
    """A visit as a page is told of it: its token holds for minutes."""

    token: str
    expires_at: datetime
    title: dict[str, str]
    notice: dict[str, str]


class CustomerErasure(BaseModel):
    """The erasure that was begun: `GET /erasures/{id}` tells of it."""

    erasure: uuid.UUID


class Done(BaseModel):
    """It is done."""

    changed: bool = True


def widgets_router(services: WidgetServices) -> APIRouter:
    """The routes below ``/widgets``."""
    router = APIRouter(prefix="/widgets", tags=["channels"])
    _reading(router, services)
    _changing(router, services)
    _customers(router, services)
    return router


def _reading(router: APIRouter, services: WidgetServices) -> None:
    room = services.knowledge

    @router.get("", openapi_extra=READ)
    async def list_all_widgets(who: Principal = services.reads) -> WidgetList:
        """The tenant's widgets, revoked ones too."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            return WidgetList(widgets=[WidgetShown(**_plain(one)) for one in await list_widgets(connection, who.tenant_id)])

    @router.get("/{name}", openapi_extra=READ)
    async def read_widget(name: WidgetName, who: Principal = services.reads) -> WidgetShown:
        """One widget."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            return WidgetShown(**_plain(await find_widget(connection, who.tenant_id, name)))


def _changing(router: APIRouter, services: WidgetServices) -> None:
    room = services.knowledge

    @router.post("", openapi_extra=WRITE)
    async def create_widget(body: WidgetBody, who: Principal = services.writes) -> WidgetMade:
        """Make a widget."""
        told = body.model_dump() | {"origins": tuple(body.origins), "groups": tuple(body.groups)}
        made, secret = await manage.create_widget(room, who.tenant_id, NewWidget(**told), by=who.person_id)
        return WidgetMade(**_plain(made), secret=secret)

    @router.patch("/{name}", openapi_extra=WRITE)
    async def change_widget(name: WidgetName, body: WidgetChange, who: Principal = services.writes) -> WidgetShown:
        """Change a widget."""
        return WidgetShown(**_plain(await manage.change_widget(room, who.tenant_id, name, **body.model_dump(), by=who.person_id)))

    @router.post("/{name}/secret", openapi_extra=WRITE)
    async def rotate_widget_secret(name: WidgetName, body: RotateBody, who: Principal = services.writes) -> SecretShown:
        """Give a widget another secret."""
        return SecretShown(secret=await manage.rotate_secret(room, who.tenant_id, name, **body.model_dump(), by=who.person_id))

    @router.post("/{name}/revoke", openapi_extra=WRITE)
    async def revoke_widget(name: WidgetName, who: Principal = services.writes) -> Done:
        """Close a widget for good. What is being answered through it ends within a second or two."""
        await manage.revoke_widget(room, who.tenant_id, name, by=who.person_id)
        return Done()


def _customers(router: APIRouter, services: WidgetServices) -> None:
    room = services.knowledge

    @router.post("/{name}/preview", openapi_extra=WRITE)
    async def preview_widget(name: WidgetName, body: PreviewBody, who: Principal = services.writes) -> Preview:
        """Open a visit for a preview, as a customer who has all of the widget's groups."""
        opened = await open_preview(room, who.tenant_id, name, body.origin)
        return Preview.model_validate(await told_visit(room, opened, services.notice_of(who.tenant_id)))

    @router.post("/{name}/erasures", openapi_extra=WRITE)
    async def erase_customer(name: WidgetName, body: CustomerBody, who: Principal = services.writes) -> CustomerErasure:
        """Have everything erased that is a customer's: who they are here, their questions and their answers."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            widget = await find_widget(connection, who.tenant_id, name)
        login = login_of(room, who.tenant_id, widget.id, body.customer)
        erasure = await erase_subject(room, who.tenant_id, login, asked_by=who.person_id, reason=body.reason)
        return CustomerErasure(erasure=erasure.id)


def _plain(widget: Widget) -> dict[str, Any]:
    names = (
        "name", "public_id", "assistant", "algorithm", "origins", "groups", "visitors", "open_documents", "questions_per_minute",
        "questions_per_customer", "created_at", "revoked_at",
    )  # fmt: skip
    told = {name: getattr(widget, name) for name in names}
    return told | {"script": f"{PREFIX}{widget.public_id}/{FILE}", "integrity": element_script().integrity}
