"""People of every role who walk through the console of the running demo without a browser: what they are shown, and the forms they find."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from benchmarks.console.crawl import SECTIONS, Patterns, Visited, console_routes, crawl, read_parts
from ondol.application.console.forms import form_token
from ondol.application.console.navigation import GROUPS, ME, Section
from ondol.infrastructure.access.types import ROLES, Role
from tests.e2e.conftest import Up, run, run_json

PASSWORD = "correct horse battery"
SESSION = "ondol_session"
FILES = ("/static/{digest}/{path:path}", "/documents/{version_id}/original")
GET = Patterns.of([path for method, path in console_routes() if method == "GET"])
POST = Patterns.of([path for method, path in console_routes() if method == "POST"])
RECORD_SECONDS_MAX = 60.0
SECTION_OF = {section.path: section for group in GROUPS for section in group.sections} | {ME.path: ME}


def section_of(address: str) -> Section | None:
    """The section that a page belongs to, by the beginning of its path; None for a file and for signing in and out."""
    path = re.split(r"[?.]", address)[0]
    head = "/" + path.split("/")[1]
    return SECTION_OF.get(head)


@dataclass(slots=True)
class Visitor:
    """Somebody who is signed in.

    Attributes:
        pages: that links of their own pages lead to.
    """

    role: Role
    client: httpx.Client
    pages: list[Visited] = field(default_factory=list)

    @property
    def token(self) -> str:
        """The session's."""
        return self.client.cookies[SESSION]

    @property
    def actions(self) -> dict[str, str]:
        """Addresses that their forms are sent to, by route."""
        return {POST.at(form.action.partition("?")[0]): form.action for page in self.pages for form in page.parts.forms if form.method == "post"}

    def act(self, address: str, fields: dict[str, str] | None = None) -> httpx.Response:
        """Send a form as their own pages would."""
        return self.client.post(address, data={**(fields or {}), "form_token": self.form_token(address)})

    def form_token(self, address: str) -> str:
        """What a form that is sent there carries."""
        return form_token("leave" if address == "/sign-out" else "act", self.token)

    def walk(self) -> None:
        """Find their pages."""
        starts = [section.path for section in SECTION_OF.values() if self.role in section.roles]
        self.pages = list(crawl(self.client, GET, starts, lambda pattern: pattern in FILES, queries_max=2))

    def api(self, path: str, body: dict[str, object]) -> Any:
        """Have the admin API do something."""
        answer = self.client.post(
            f"/api/v1{path}", json=body, headers={"x-ondol-request": "console", "origin": str(self.client.base_url).rstrip("/")}
        )
        assert answer.is_success, answer.text
        return answer.json()


def invited_by_command(up: Up, login: str) -> str:
    """The code of a link for somebody who is there already."""
    invited = run_json(up.folder, "user", "invite", login)
    assert isinstance(invited, dict)
    return str(invited["sign_in_once"].partition("code=")[2])


def sign_in(up: Up, code: str, role: Role, opened: contextlib.ExitStack) -> Visitor:
    """Sign somebody in by the link that they are invited with."""
    client = opened.enter_context(httpx.Client(base_url=up.url, timeout=60.0))
    [form] = [form for form in read_parts(client.get("/welcome", params={"code": code}).text).forms if form.method == "post"]
    answer = client.post("/welcome", data={**form.fields, "code": code, "password": PASSWORD})
    assert (answer.status_code, answer.headers.get("location")) == (303, "/"), answer.text
    client.cookies.delete("ondol_visitor")
    return Visitor(role, client)


def leave_traces(up: Up, owner: Visitor) -> None:
    """Ask what is answered and what is stopped, so that there are requests and an incident to look at."""
    for question in ("How long does a refund take?", "My resident number is 900101-1234568. How do I transfer a domain?"):
        asked = {"model": "assistant/help", "messages": [{"role": "user", "content": question}]}
        httpx.post(f"{up.url}/v1/chat/completions", json=asked, headers={"authorization": f"Bearer {up.key}"}, timeout=60.0)
    until = time.monotonic() + RECORD_SECONDS_MAX
    while not ("/guard/incidents/" in owner.client.get("/guard").text and "/requests/0" in owner.client.get("/requests").text):
        assert time.monotonic() < until, "what was asked stands nowhere"


@pytest.fixture(scope="module")
def visitors(demo_up: Up) -> Iterator[dict[Role, Visitor]]:
    """One person of each role, who have walked through all that they are shown."""
    stamp = time.time_ns()
    run(demo_up.folder, "user", "add", f"visiting-{stamp}", "--role", "owner", "--clearance", "restricted")
    with contextlib.ExitStack() as opened:
        owner = sign_in(demo_up, invited_by_command(demo_up, f"visiting-{stamp}"), "owner", opened)
        found: dict[Role, Visitor] = {"owner": owner}
        for role in [role for role in ROLES if role != "owner"]:
            made = owner.api("/people", {"login": f"visiting-{role}-{stamp}", "roles": [role], "clearance": "restricted"})
            path = str(owner.api(f"/people/{made['id']}/invite", {})["path"])
            found[role] = sign_in(demo_up, path.partition("code=")[2], role, opened)
        leave_traces(demo_up, owner)
        for visitor in found.values():
            visitor.walk()
        yield found


__all__ = ["FILES", "GET", "POST", "SECTIONS", "Visitor", "section_of", "visitors"]
