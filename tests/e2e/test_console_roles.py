"""What each role may open and do in the console. Sections, pages and forms are found by themselves, so that a new one is asked about at once."""

from __future__ import annotations

import re
import uuid

import pytest

from benchmarks.console.crawl import SECTIONS, console_routes
from ondol.infrastructure.access.types import ROLES, Role
from tests.e2e.visiting import POST, SECTION_OF, Visitor, section_of, visitors

__all__ = ["visitors"]  # a fixture
OUTSIDE = {"sign-in", "welcome", "static", "documents", "threads", "threads-export", "answers"}
"""Beginnings of pages that are no section's: of strangers, of files, and of what is somebody's own."""
OTHERS = [role for role in ROLES if role != "owner"]


def told(text: str) -> str:
    """What a page says, without its frame."""
    main = re.search(r"<main.*?</main>", text, re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main[0] if main else text)).strip()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", SECTIONS)
def test_a_section_opens_for_its_roles_and_tells_others_nothing(visitors: dict[Role, Visitor], path: str, role: Role) -> None:
    answer = visitors[role].client.get(path)
    if role in SECTION_OF[path].roles:
        assert answer.status_code == 200
        return
    assert answer.status_code == 403
    elsewhere = next(other for other, section in SECTION_OF.items() if role not in section.roles)
    assert told(answer.text) == told(visitors[role].client.get(elsewhere).text), "every closed section says the same"


@pytest.mark.parametrize("role", ROLES)
def test_nobody_is_shown_a_link_that_leads_nowhere(visitors: dict[Role, Visitor], role: Role) -> None:
    found = {page.address: page.answer.status_code for page in visitors[role].pages}
    assert {address: status for address, status in found.items() if status != 200} == {}
    assert {path for path in SECTIONS if role in SECTION_OF[path].roles} <= set(found)


@pytest.mark.parametrize("role", OTHERS)
def test_pages_behind_a_closed_section_are_closed_too(visitors: dict[Role, Visitor], role: Role) -> None:
    tried = 0
    for page in visitors["owner"].pages:
        section = section_of(page.address)
        if section is None or role in section.roles:
            continue
        answer = visitors[role].client.get(page.address)
        closed = visitors[role].client.get(section.path)
        assert (page.address, answer.status_code, told(answer.text)) == (page.address, 403, told(closed.text))
        tried += 1
    assert tried or all(role in section.roles for section in SECTION_OF.values())


@pytest.mark.parametrize("role", OTHERS)
def test_a_form_that_somebody_is_not_shown_is_refused_as_well(visitors: dict[Role, Visitor], role: Role) -> None:
    own, owners = visitors[role].actions, visitors["owner"].actions
    assert set(own) <= set(owners), "a form that the owner does not have"
    for pattern, address in owners.items():
        if pattern not in own:
            answer = visitors[role].act(address)
            assert answer.status_code in (403, 404), (pattern, answer.status_code)


@pytest.mark.parametrize("role", OTHERS)
def test_what_no_form_leads_to_at_present_does_nothing_for_others(visitors: dict[Role, Visitor], role: Role) -> None:
    routes = {path for method, path in console_routes() if method == "POST"} - {"/sign-in", "/welcome", "/sign-out"}
    assert set(visitors["owner"].actions) - {"/sign-out"} <= routes, "a form leads to no route"
    own = {pattern for pattern in routes if pattern.startswith("/me/")}  # what everybody does to their own account
    for pattern in sorted(routes - own - set(visitors["owner"].actions)):
        answer = visitors[role].act(re.sub(r"\{[^}]*\}", str(uuid.uuid4()), pattern))
        assert answer.status_code in (400, 403, 404, 409), (pattern, answer.status_code)


def test_every_page_belongs_to_a_section_or_is_known_to_be_outside() -> None:
    outside = {path.split("/")[1] for method, path in console_routes() if method == "GET" and section_of(path) is None}
    assert outside <= OUTSIDE, "its beginning must be a section's, whose roles then hold, or stand here"
    assert POST.at("/keys/7/revoke") == "/keys/{key}/revoke"
