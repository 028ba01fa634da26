"""The sections for people who run the platform, one file each. A page asks the admin API and shows what it tells; it decides nothing."""

from __future__ import annotations

from fastapi import APIRouter

from ondol.application.console.pages import Site
from ondol.application.console.sections import (
    access,
    assistants,
    audit,
    evaluation,
    evaluation_start,
    guard,
    home,
    keys,
    knowledge,
    models,
    people,
    requests,
    usage,
)


def add_sections(router: APIRouter, site: Site) -> None:
    """All pages of all sections."""
    for section in (home, knowledge, assistants, models, evaluation, evaluation_start, guard, access, usage, requests, people, keys, audit):
        section.add_to(router, site)
