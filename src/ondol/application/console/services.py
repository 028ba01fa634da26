"""What the console needs from the rest of Ondol: `wiring.py` hands it in, and tests hand in fakes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from ondol.infrastructure.access.types import Principal, Role
from ondol.infrastructure.gateway.in_process import CallApi

from .language import Language


@dataclass(frozen=True, slots=True)
class Profile:
    """Who is signed in, as the page shows it. `organisation` is its readable name, `time_zone` that of its days."""

    name: str
    login: str
    organisation: str
    roles: frozenset[Role]
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class AssistantCard:
    """An assistant that this person may ask. `model` is what the gateway is asked for: ``assistant/<name>``."""

    name: str
    model: str
    title: str


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """The bytes of a document as they were handed in; `chunks` is read once."""

    media_type: str
    file_name: str
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class ConsoleServices:
    """The callables behind the pages.

    Args:
        sign_in: organisation slug, login, password, client address, what the browser says of itself -> session token. Raises `Unauthenticated`
            or `TooManyRequests`.
        sign_out: ends the session of a token; an unknown token is no error.
        principal: who a session token proves, None when it proves nobody.
        profile: how the signed-in person is shown.
        one_time_valid: whether a one-time code could be redeemed now. Never uses it up.
        redeem_one_time: code, new password, client address, what the browser says of itself -> session token. Raises `RequestError` with code
            ``password_length`` when the password is too short or too long, `Unauthenticated` or `NotFound` when the code is no good.
        assistants: those the person may ask, the first is the default.
        organisations: slugs; the sign-in form is prefilled when there is exactly one.
        notice: what the person is told before asking, in a language of the page: that a machine answers; empty where the tenant does not want it.
        original: the file of a document version. Raises `NotFound`, also for what the person may not know of.
        call: the admin API, for whoever is signed in.
        public_https: browsers reach the console over HTTPS, so cookies are ``Secure`` and carry the ``__Host-`` prefix.
        session_hours: how long a session cookie lives.
        password_characters_min: shown beside the field for a new password; `redeem_one_time` decides.
    """

    sign_in: Callable[[str, str, str, str, str], Awaitable[str]]
    sign_out: Callable[[str], Awaitable[None]]
    principal: Callable[[str], Awaitable[Principal | None]]
    profile: Callable[[Principal], Awaitable[Profile]]
    one_time_valid: Callable[[str], Awaitable[bool]]
    redeem_one_time: Callable[[str, str, str, str], Awaitable[str]]
    assistants: Callable[[Principal], Awaitable[list[AssistantCard]]]
    notice: Callable[[Principal, Language], str]
    organisations: Callable[[], Awaitable[list[str]]]
    original: Callable[[Principal, uuid.UUID], Awaitable[OriginalFile]]
    call: CallApi
    public_https: bool
    session_hours: int
    password_characters_min: int = 10
