"""Pages from templates: what all of them share, and how one becomes a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ondol.infrastructure.access.types import Role

from .assets import Assets
from .forms import form_token, new_visitor, set_cookie, visitor_cookie
from .language import LANGUAGE_COOKIE, LANGUAGE_COOKIE_SECONDS, Catalogue, Language, asked_language, choose_language, other_language, translate
from .services import ConsoleServices

ROLE_LABELS: dict[Role, str] = {
    "owner": "role.owner",
    "admin": "role.admin",
    "editor": "role.editor",
    "auditor": "role.auditor",
    "member": "role.member",
}

SCRIPT_KEYS = ("chat.", "sources.")
"""Beginnings of the keys whose texts scripts need."""


@dataclass(frozen=True, slots=True)
class Site:
    """What every page is made from."""

    services: ConsoleServices
    catalogues: Mapping[Language, Catalogue]
    assets: Assets
    environment: Environment


def make_environment() -> Environment:
    """Templates that escape everything and fail on a name they do not know."""
    return Environment(
        loader=PackageLoader(__package__ or "", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def page(site: Site, request: Request, template: str, values: Mapping[str, object], *, status: int = HTTPStatus.OK) -> HTMLResponse:
    """Render a template with the values that every page knows, and remember a language that was asked for."""
    language = choose_language(request)
    catalogue = site.catalogues[language]

    def text(key: str, **places: object) -> str:
        return translate(catalogue, key, places)

    shared: dict[str, object] = {
        "t": text,
        "language": language,
        "other_language": other_language(language),
        "other_language_url": _with_language(request, other_language(language)),
        "asset": site.assets.url,
        "script_messages": {key: value for key, value in catalogue.items() if key.startswith(SCRIPT_KEYS)},
        "role_labels": ROLE_LABELS,
    }
    body = site.environment.get_template(template).render({**shared, **values})
    response = HTMLResponse(body, status, headers={"Content-Language": language})
    if asked_language(request) is not None:
        set_cookie(response, site.services, LANGUAGE_COOKIE, language, seconds=LANGUAGE_COOKIE_SECONDS)
    return response


def entry_page(site: Site, request: Request, template: str, values: Mapping[str, object], *, status: int = HTTPStatus.OK) -> HTMLResponse:
    """A page with a form for somebody who is not signed in: its token is bound to the visitor cookie."""
    name = visitor_cookie(site.services)
    visitor = request.cookies.get(name) or new_visitor()
    response = page(site, request, template, {**values, "form_token": form_token("enter", visitor)}, status=status)
    if request.cookies.get(name) != visitor:
        set_cookie(response, site.services, name, visitor, seconds=None)
    return response


def _with_language(request: Request, language: Language) -> str:
    """This page in another language. What else the address asks for stays."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    return f"?{urlencode([*query, ('lang', language)])}"
