"""The pages and what they answer. A handler reads, asks a service, and answers; it decides nothing else."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from starlette.responses import Response

from ondol.application.knowledge.originals import download_headers
from ondol.core.errors import NotFound, RequestError, TooManyRequests, Unauthenticated
from ondol.infrastructure.access.types import Principal

from .assets import asset_response
from .forms import check_form, check_origin, delete_cookie, read_form, session_cookie, set_cookie, visitor_cookie
from .language import choose_language, other_language
from .pages import Site, entry_page, page
from .sections import add_sections


def make_routes(site: Site) -> APIRouter:
    """All routes of the console."""
    router = APIRouter(default_response_class=HTMLResponse)
    _add_sign_in(router, site)
    _add_welcome(router, site)
    _add_files(router, site)
    add_sections(router, site)
    return router


def _add_sign_in(router: APIRouter, site: Site) -> None:
    @router.get("/sign-in")
    async def sign_in_form(request: Request) -> Response:
        if await _principal(site, request) is not None:
            return _see("/")
        organisations = await site.services.organisations()
        only = organisations[0] if len(organisations) == 1 else ""
        return entry_page(site, request, "sign_in.html", {"organisation": only, "login": "", "problem": "", "places": {}})

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        fields = await _entry_fields(site, request)
        organisation, login = fields.get("organisation", "").strip(), fields.get("login", "").strip()
        places: Mapping[str, object] = {}
        headers: dict[str, str] = {}
        try:
            token = await site.services.sign_in(organisation, login, fields.get("password", ""), _client(request), _agent(request))
        except Unauthenticated as error:
            problem, status = "sign_in.wrong", error.status
        except TooManyRequests as error:
            problem, status = "sign_in.wait", error.status
            places = {"minutes": math.ceil(error.retry_after_s / 60)}
            headers["Retry-After"] = str(error.retry_after_s)
        else:
            return _signed_in(site, token)
        values = {"organisation": organisation, "login": login, "problem": problem, "places": places}
        response = entry_page(site, request, "sign_in.html", values, status=status)
        response.headers.update(headers)
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        check_origin(request, site.services)
        name = session_cookie(site.services)
        token = request.cookies.get(name, "")
        check_form(request, await read_form(request), "leave", token)
        await site.services.sign_out(token)
        response = _see("/sign-in")
        delete_cookie(response, site.services, name)
        return response


def _add_welcome(router: APIRouter, site: Site) -> None:
    def form(request: Request, code: str, problem: str, status: int) -> Response:
        other = urlencode({"code": code, "lang": other_language(choose_language(request))})
        values = {
            "code": code,
            "problem": problem,
            "other_language_url": f"/welcome?{other}",
            "characters_min": site.services.password_characters_min,
        }
        return entry_page(site, request, "welcome.html", values, status=status)

    def spent(request: Request) -> Response:
        return page(
            site, request, "error.html", {"title": "welcome.spent.title", "body": "welcome.spent.body", "status": None}, status=HTTPStatus.GONE
        )

    @router.get("/welcome")
    async def welcome(request: Request) -> Response:
        code = request.query_params.get("code", "")
        if not code or not await site.services.one_time_valid(code):
            return spent(request)
        return form(request, code, "", HTTPStatus.OK)

    @router.post("/welcome")
    async def redeem(request: Request) -> Response:
        fields = await _entry_fields(site, request)
        code = fields.get("code", "")
        try:
            token = await site.services.redeem_one_time(code, fields.get("password", ""), _client(request), _agent(request))
        except (Unauthenticated, NotFound):
            return spent(request)
        except RequestError as error:
            if error.code != "password_length":
                raise
            return form(request, code, "welcome.password_length", error.status)
        return _signed_in(site, token)


def _add_files(router: APIRouter, site: Site) -> None:
    @router.get("/documents/{version_id}/original")
    async def original(request: Request, version_id: str) -> Response:
        principal = await _principal(site, request)
        if principal is None:
            return _to_sign_in(site, request)
        try:
            identifier = uuid.UUID(version_id)
        except ValueError:
            raise NotFound("There is no such document.") from None
        file = await site.services.original(principal, identifier)
        return StreamingResponse(file.chunks, headers=download_headers(file.media_type, file.file_name))

    @router.get("/static/{digest}/{path:path}")
    async def static(request: Request, digest: str, path: str) -> Response:
        return asset_response(site.assets, request, digest, path)


async def _principal(site: Site, request: Request) -> Principal | None:
    token = request.cookies.get(session_cookie(site.services))
    return await site.services.principal(token) if token else None


async def _entry_fields(site: Site, request: Request) -> dict[str, str]:
    """The fields of a sign-in or welcome form, once it is certain that it is ours."""
    check_origin(request, site.services)
    fields = await read_form(request)
    check_form(request, fields, "enter", request.cookies.get(visitor_cookie(site.services), ""))
    return fields


def _signed_in(site: Site, token: str) -> Response:
    response = _see("/")
    set_cookie(response, site.services, session_cookie(site.services), token, seconds=site.services.session_hours * 3600)
    delete_cookie(response, site.services, visitor_cookie(site.services))
    return response


def _to_sign_in(site: Site, request: Request) -> Response:
    response = _see("/sign-in")
    name = session_cookie(site.services)
    if name in request.cookies:
        delete_cookie(response, site.services, name)
    return response


def _see(path: str) -> Response:
    """Go on at one of our own pages; nothing of the request ever becomes part of the address."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")


def _client(request: Request) -> str:
    return request.client.host if request.client else ""
