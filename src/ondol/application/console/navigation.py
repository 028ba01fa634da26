"""The parts of the console, in the order in which they stand beside every page, and who sees each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ondol.infrastructure.access.route_roles import ANYBODY, EDITORS, READERS, WRITERS
from ondol.infrastructure.access.types import Role


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the console.

    Attributes:
        label: the key of its name.
        roles: of which a visitor needs one; for everybody else there is no such page.
        is_everybodys: it opens for whoever is signed in, also without a role.
    """

    path: str
    label: str
    icon: str
    roles: frozenset[Role]
    is_everybodys: bool = False

    def opens_to(self, roles: frozenset[Role]) -> bool:
        """Whether somebody with these roles may see it."""
        return self.is_everybodys or bool(self.roles & roles)


@dataclass(frozen=True, slots=True)
class Group:
    """Sections under one heading; the first group has none."""

    label: str | None
    sections: Sequence[Section]


GROUPS: Sequence[Group] = (
    Group(None, (Section("/", "nav.ask", "chat", ANYBODY, is_everybodys=True), Section("/home", "nav.home", "home", READERS))),
    Group(
        "nav.group.build",
        (
            Section("/knowledge", "nav.knowledge", "book", EDITORS | READERS),
            Section("/assistants", "nav.assistants", "quote", READERS),
            Section("/prompts", "nav.prompts", "document", READERS),
            Section("/models", "nav.models", "plug", READERS),
            Section("/channels", "nav.channels", "globe", READERS),
        ),
    ),
    Group(
        "nav.group.answer",
        (
            Section("/evaluation", "nav.evaluation", "scale", READERS),
            Section("/reviews", "nav.reviews", "check", ANYBODY),
            Section("/guard", "nav.guard", "shield", READERS),
            Section("/erasures", "nav.erasures", "erase", READERS),
            Section("/access-requests", "nav.access", "lock", WRITERS),
        ),
    ),
    Group(
        "nav.group.run",
        (
            Section("/usage", "nav.usage", "chart", ANYBODY),
            Section("/limits", "nav.limits", "gauge", READERS),
            Section("/requests", "nav.requests", "list", READERS),
            Section("/people", "nav.people", "people", READERS),
            Section("/keys", "nav.keys", "key", READERS),
            Section("/jobs", "nav.jobs", "clock", READERS),
            Section("/audit", "nav.audit", "ledger", READERS),
            Section("/settings", "nav.settings", "gear", READERS),
        ),
    ),
)


ME = Section("/me", "nav.me", "people", ANYBODY)
"""Everybody's own page, reached from the menu of the account and not from the list."""


def shown_to(roles: frozenset[Role]) -> list[Group]:
    """What somebody with these roles sees; a group without a section is left out."""
    groups = [Group(group.label, [section for section in group.sections if section.opens_to(roles)]) for group in GROUPS]
    return [group for group in groups if group.sections]


def section_at(path: str) -> Section:
    """The section that begins with a path.

    Raises:
        KeyError: there is none: a mistake in the code.
    """
    found = {section.path: section for group in GROUPS for section in group.sections} | {ME.path: ME}
    return found[path]
