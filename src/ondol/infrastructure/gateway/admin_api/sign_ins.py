"""Where people are signed in, one's own and somebody else's, ending that, and one's own password."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ondol.infrastructure.access import granting, people
from ondol.infrastructure.access.route_roles import ASK, READ, WRITE, Body
from ondol.infrastructure.access.secrets import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from ondol.infrastructure.access.sessions import Session, change_password, end_session, end_sessions, list_sessions
from ondol.infrastructure.access.sign_in import SignIn
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import Changed, GatewayServices


@dataclass(frozen=True, slots=True)
class SignInServices(GatewayServices):
    """What the routes work with.

    Attributes:
        room: what signing in works with.
    """

    room: Callable[[], SignIn]


class SessionShown(BaseModel):
    """A sign-in that is in force. `browser` and `system` are fixed words, `network` leaves out what stands for one machine; each may be empty.

    `last_used_at` lags some minutes behind. `is_this` says that it is the one that asks.
    """

    id: uuid.UUID
    browser: str
    system: str
    network: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime
    is_this: bool


class SessionList(BaseModel):
    """Sign-ins, the newest first."""

    sessions: list[SessionShown]


class Ended(BaseModel):
    """How many sign-ins were ended."""

    ended: int


class PasswordBody(Body):
    """The present password and another one."""

    current: str = Field(min_length=1, max_length=PASSWORD_CHARACTERS_MAX)
    new: str = Field(max_length=4 * PASSWORD_CHARACTERS_MAX, description=f"Has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters.")


def sign_ins_router(services: SignInServices) -> APIRouter:
    """The routes below ``/me``, and ``/people/{person_id}/sessions``."""
    router = APIRouter(tags=["people"])
    _own_routes(router, services)
    _others_routes(router, services)
    return router


def _own_routes(router: APIRouter, services: SignInServices) -> None:
    @router.get("/me/sessions", openapi_extra=ASK)
    async def list_own_sessions(who: Principal = services.asks) -> SessionList:
        """Where the caller is signed in."""
        return await _listed(services, who, who.person_id)

    @router.post("/me/sessions/{session_id}/end", openapi_extra=ASK)
    async def end_own_session(session_id: uuid.UUID, who: Principal = services.asks) -> Changed:
        """Sign out there."""
        async with services.within(who) as connection:
            await end_session(connection, who.tenant_id, who.person_id, session_id, services.clock(), actor_id=who.person_id)
        return Changed()

    @router.post("/me/sessions/end-others", openapi_extra=ASK)
    async def end_own_other_sessions(who: Principal = services.asks) -> Ended:
        """Sign out everywhere but here; asked with a key, everywhere."""
        async with services.within(who) as connection:
            return Ended(
                ended=await end_sessions(connection, who.tenant_id, who.person_id, services.clock(), but=who.session_id, actor_id=who.person_id)
            )

    @router.post("/me/password", openapi_extra=ASK)
    async def change_own_password(body: PasswordBody, who: Principal = services.asks) -> Changed:
        """Change one's own password, which signs out everywhere else. Wrong guesses are counted and locked as at the door."""
        await change_password(services.room(), who, body.current, body.new)
        return Changed()


def _others_routes(router: APIRouter, services: SignInServices) -> None:
    @router.get("/people/{person_id}/sessions", openapi_extra=READ)
    async def list_sessions_of_person(person_id: uuid.UUID, who: Principal = services.reads) -> SessionList:
        """Where somebody is signed in."""
        async with services.within(who) as connection:
            await people.get_person(connection, services.keyring, who.tenant_id, person_id)
        return await _listed(services, who, person_id)

    @router.post("/people/{person_id}/sessions/end", openapi_extra=WRITE)
    async def end_sessions_of_person(person_id: uuid.UUID, who: Principal = services.writes) -> Ended:
        """Sign somebody out everywhere. Only an owner does that to an owner."""
        async with services.within(who) as connection:
            granting.check_may_manage(who, await people.get_person(connection, services.keyring, who.tenant_id, person_id))
            return Ended(ended=await end_sessions(connection, who.tenant_id, person_id, services.clock(), actor_id=who.person_id))

    @router.post("/people/{person_id}/sessions/{session_id}/end", openapi_extra=WRITE)
    async def end_session_of_person(person_id: uuid.UUID, session_id: uuid.UUID, who: Principal = services.writes) -> Changed:
        """End one sign-in of somebody."""
        async with services.within(who) as connection:
            granting.check_may_manage(who, await people.get_person(connection, services.keyring, who.tenant_id, person_id))
            await end_session(connection, who.tenant_id, person_id, session_id, services.clock(), actor_id=who.person_id)
        return Changed()


async def _listed(services: SignInServices, who: Principal, person_id: uuid.UUID) -> SessionList:
    async with services.within(who) as connection:
        found = await list_sessions(connection, person_id, services.clock())
    return SessionList(sessions=[_shown(session, who) for session in found])


def _shown(session: Session, who: Principal) -> SessionShown:
    return SessionShown(
        id=session.id,
        browser=session.device.browser,
        system=session.device.system,
        network=session.device.network,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
        is_this=session.id == who.session_id,
    )
