"""A signed-in person's visit to one of the console's sections: who it is, what they may ask of the API, and how a page becomes an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from ondol.core.errors import Forbidden
from ondol.infrastructure.access.types import Principal, Role

from . import formats
from .calling import Api, Refused
from .forms import check_form, check_origin, delete_cookie, form_token, read_form, session_cookie
from .language import Language, choose_language, translate
from .navigation import Section, section_at, shown_to
from .pages import Site, page
from .refusals import WORDS
from .services import Profile
from .undo import Undo, opened, sealed


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an action was refused, for the page that asked for it.

    Attributes:
        fields: what was typed; it stands in the form again.
    """

    refused: Refused
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in and may see the section."""

    site: Site
    request: Request
    section: Section
    who: Principal
    profile: Profile
    language: Language
    api: Api

    def has(self, roles: frozenset[Role]) -> bool:
        """Whether the visitor has one of these roles."""
        return bool(self.who.roles & roles)

    def asked(self, name: str, otherwise: str = "") -> str:
        """What the address asks for, cut to a sensible length."""
        return self.request.query_params.get(name, otherwise)[:300]

    def place(self, name: str) -> str:
        """A part of the address's path."""
        return str(self.request.path_params[name])

    def page(self, template: str, values: Mapping[str, object], *, problem: Problem | None = None, status: int = HTTPStatus.OK) -> Response:
        """Render a template of the section in the frame of the console."""
        session = self.request.cookies[session_cookie(self.site.services)]
        shared: dict[str, object] = {
            "groups": shown_to(self.who.roles),
            "section": self.section,
            "profile": self.profile,
            "leave_token": form_token("leave", session),
            "act_token": form_token("act", session),
            "problem": problem,
            "refusal": WORDS.get(problem.refused.code, "") if problem else "",
            "done": self.asked("done"),
            "undo": opened(self.request.query_params.get("undo", ""), session, datetime.now(UTC)),
            "may": self.has,
            "with_query": self.with_query,
            "moment": partial(formats.moment, zone=self.profile.time_zone, language=self.language),
            "day": partial(formats.day, language=self.language),
            "duration": partial(formats.duration, language=self.language),
            "short_number": partial(formats.short_number, language=self.language),
            "number": formats.number,
            "share": formats.share,
            "money": formats.money,
            "size": formats.size,
        }
        shown = page(self.site, self.request, template, {**shared, **values}, status=problem.refused.status if problem else status)
        shown.headers["Vary"] = "HX-Request, Accept-Language, Cookie"
        return shown

    def options(self, labels: Mapping[str, str]) -> list[tuple[str, str]]:
        """Values and their names in the visitor's language, for a field with a list."""
        return [(value, self.text(label)) for value, label in labels.items()]

    def text(self, key: str, **places: object) -> str:
        """A message in the visitor's language."""
        return translate(self.site.catalogues[self.language], key, places)

    def with_query(self, **changed: object) -> str:
        """The address of this page with some of what it asks for changed; None takes a name out."""
        query = {name: value for name, value in self.request.query_params.items() if name not in ("done", "undo", *changed)}
        query |= {name: str(value) for name, value in changed.items() if value not in (None, "")}
        return f"{self.request.url.path}?{urlencode(query)}" if query else self.request.url.path

    def see(self, path: str, done: str = "", undo: Undo | None = None) -> Response:
        """Go on at another page, which tells what was done and offers to take it back."""
        session = self.request.cookies[session_cookie(self.site.services)]
        word = sealed(undo, session, datetime.now(UTC)) if undo else ""
        query = {name: value for name, value in (("done", done), ("undo", word)) if value}
        return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, HTTPStatus.SEE_OTHER)


View: TypeAlias = Callable[[Visit, Problem | None], Awaitable[Response]]
"""Shows a page. A problem is told at its head."""

Action: TypeAlias = Callable[[Visit, Mapping[str, str]], Awaitable[Response]]
"""Does what a form asks for, and says where to go on."""


def add_page(router: APIRouter, site: Site, section: str, path: str, view: View) -> None:
    """A page of a section, for whoever may see the section."""

    async def handle(request: Request) -> Response:
        visit = await _visit(site, request, section_at(section))
        return visit if isinstance(visit, Response) else await view(visit, None)

    router.add_api_route(path, handle, methods=["GET"], include_in_schema=False)


def add_action(router: APIRouter, site: Site, section: str, path: str, action: Action, *, shows: View, roles: frozenset[Role]) -> None:
    """What a form of a section does.

    Args:
        shows: the page on which a refusal is told.
        roles: of which the visitor needs one. The API asks again.
    """

    async def handle(request: Request) -> Response:
        check_origin(request, site.services)
        visit = await _visit(site, request, section_at(section))
        if isinstance(visit, Response):
            return visit
        fields = await read_form(request)
        check_form(request, fields, "act", request.cookies[session_cookie(site.services)])
        if not visit.has(roles):
            raise Forbidden("Your roles do not allow this.", code="role_required")
        try:
            return await action(visit, fields)
        except Refused as refused:
            return await shows(visit, Problem(refused, fields))

    router.add_api_route(path, handle, methods=["POST"], include_in_schema=False)


async def _visit(site: Site, request: Request, section: Section) -> Visit | Response:
    """Who visits; or where to sign in.

    Raises:
        Forbidden: when their roles do not open the section.
    """
    name = session_cookie(site.services)
    token = request.cookies.get(name)
    who = await site.services.principal(token) if token else None
    if who is None:
        response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
        if token:
            delete_cookie(response, site.services, name)
        return response
    if not section.opens_to(who.roles):
        raise Forbidden("Your roles do not open this page.", code="role_required")
    profile = await site.services.profile(who)
    return Visit(site, request, section, who, profile, choose_language(request), Api(site.services.call, who))


def told(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Of a form's fields those that were filled in."""
    return {name: values[name].strip() for name in names if values.get(name, "").strip()}
