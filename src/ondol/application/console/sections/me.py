"""Everybody's own page: who one is, where one is signed in, and the password."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.infrastructure.access.route_roles import ANYBODY

PATH = "/me"
DONE: Mapping[str, str] = {"ended": "me.done.ended", "others": "me.done.others", "password": "me.done.password"}
BROWSERS: Mapping[str, str] = {
    "chrome": "Chrome",
    "edge": "Edge",
    "firefox": "Firefox",
    "opera": "Opera",
    "safari": "Safari",
    "samsung": "Samsung Internet",
    "whale": "Whale",
}
SYSTEMS: Mapping[str, str] = {
    "android": "Android",
    "chromeos": "ChromeOS",
    "ios": "iOS",
    "linux": "Linux",
    "macos": "macOS",
    "windows": "Windows",
}
"""Names of makers, the same in every language."""


PROBLEMS: Mapping[str, str] = {
    "wrong_password": "me.problem.current",
    "password_length": "welcome.password_length",
    "rate_limit_exceeded": "error.busy.body",
}
"""How the API's refusals are told here, by their codes."""


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_action(router, site, PATH, PATH + "/password", password, shows=show, roles=ANYBODY)
    add_action(router, site, PATH, PATH + "/sessions/others/end", end_others, shows=show, roles=ANYBODY)
    add_action(router, site, PATH, PATH + "/sessions/{session}/end", end, shows=show, roles=ANYBODY)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """Everything about the visitor. What was typed as a password never stands in a page again."""
    found = await visit.api.get("/me/sessions")
    values = {
        **session_words(),
        "sessions": found["sessions"],
        "trouble": visit.text(PROBLEMS[problem.refused.code]) if problem and problem.refused.code in PROBLEMS else "",
        "wrong": problem.refused.param if problem else "",
        "characters_min": visit.site.services.password_characters_min,
        "zone": visit.profile.time_zone,
        "done_texts": DONE,
    }
    return visit.page("me.html", values, problem=problem)


async def password(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Change the password; all other sign-ins end."""
    await visit.api.post("/me/password", {"current": fields.get("current", ""), "new": fields.get("new", "")})
    return visit.see(PATH, done="password")


async def end(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Sign out in one place."""
    await visit.api.post(f"/me/sessions/{part(visit.place('session'))}/end")
    return visit.see(PATH, done="ended")


async def end_others(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Sign out everywhere but here."""
    await visit.api.post("/me/sessions/end-others")
    return visit.see(PATH, done="others")


def session_words() -> dict[str, object]:
    """What a table of sign-ins needs."""
    return {"browsers": BROWSERS, "systems": SYSTEMS}
