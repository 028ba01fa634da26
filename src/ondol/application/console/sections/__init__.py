"""The sections, one file each. A page asks the admin API and shows what it tells; it decides nothing."""

from __future__ import annotations

from fastapi import APIRouter

from ondol.application.console.pages import Site
from ondol.application.console.sections import (
    access,
    answers,
    assistants,
    audit,
    bots,
    channels,
    chat,
    erasures,
    evaluation,
    evaluation_compare,
    evaluation_start,
    guard,
    home,
    jobs,
    keys,
    knowledge,
    knowledge_index,
    limits,
    me,
    models,
    people,
    prompts,
    quality,
    red_team,
    requests,
    review_queues,
    reviews,
    settings,
    usage,
)


def add_sections(router: APIRouter, site: Site) -> None:
    """All pages of all sections."""
    for section in (
        answers, chat, home, knowledge, knowledge_index, assistants, prompts, models, evaluation, evaluation_start, evaluation_compare, quality,
        red_team, review_queues, reviews, guard, erasures, access, usage, limits, requests, people, keys, jobs, audit, settings, me, channels,
        bots,
    ):  # fmt: skip
        section.add_to(router, site)
