"""The golden questions of the demo tenant, each asked as its asker: nothing forbidden is told, and the rest is answered as well as measured."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass

import pytest

from ondol.application.assistant.answer import answer
from ondol.application.assistant.store import find_assistant
from ondol.core.config import load_settings
from ondol.core.ids import new_id
from ondol.demo.golden import ASKERS, GoldenQuestion, load_golden
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.infrastructure.serving.types import ChatRequest, Finish, Message, TextDelta
from ondol.wiring.platform import assistant_room, open_platform
from tests.e2e.conftest import Up

# Floors below what was measured, so that a change that costs answers is seen; docs/benchmarks.md has the figures.
ANSWERED_RIGHT_MIN = 0.62
UNANSWERABLE_REFUSED_MIN = 0.75


@dataclass(frozen=True)
class Told:
    """What was said to a question, all of it, and to whom."""

    question: GoldenQuestion
    text: str
    everything: str
    refused: bool
    paths: tuple[str, ...]


@pytest.fixture(scope="module")
def told(demo_up: Up) -> list[Told]:
    return asyncio.run(_ask_all(demo_up))


async def _ask_all(up: Up) -> list[Told]:
    async with open_platform(load_settings(environment={}, options={"data_dir": up.folder})) as platform:
        tenant = await find_tenant(platform.database, "demo")
        room = assistant_room(platform, {tenant.id: tenant.name})
        async with platform.database.tenant_tx(tenant.id) as connection:
            assistant = await find_assistant(connection, "help")
            askers = {name: await find_person(connection, platform.keyring, tenant.id, asker.login) for name, asker in ASKERS.items()}
        found = []
        for question in load_golden():
            request = ChatRequest(new_id(), assistant.model, (Message("user", question.question),))
            events = [event async for event in answer(room, tenant.id, askers[question.asker].id, assistant, request)]
            text = "".join(event.text for event in events if isinstance(event, TextDelta))
            [finish] = [event for event in events if isinstance(event, Finish)]
            extension = finish.extension
            everything = text + json.dumps([extension, finish.annotations], ensure_ascii=False, default=str)
            found.append(Told(question, text, everything, extension["refused"], tuple(source["path"] for source in extension["sources"])))
        return found


def _right(item: Told) -> bool:
    question = item.question
    holds = all(any(spelling in item.text for spelling in group) for group in question.must_contain)
    return not item.refused and holds and not any(wrong in item.text for wrong in question.must_not_contain)


def test_of_what_is_forbidden_nothing_is_told_neither_text_nor_title(told: list[Told]) -> None:
    forbidden = [item for item in told if item.question.kind == "forbidden"]
    assert len(forbidden) >= 40
    leaks = [(item.question.id, words) for item in forbidden for words in item.question.must_not_contain if words in item.everything]
    assert leaks == []
    assert [item.question.id for item in forbidden if any("/staff/" in path for path in item.paths if item.question.asker == "customer")] == []


@pytest.mark.parametrize("language", ["ko", "en"])
def test_what_the_documents_hold_is_answered(told: list[Told], language: str) -> None:
    asked = [item for item in told if item.question.language == language and item.question.kind in ("answerable", "newest")]
    assert sum(map(_right, asked)) / len(asked) >= ANSWERED_RIGHT_MIN, _wrong_ones(asked)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_what_they_do_not_hold_is_refused(told: list[Told], language: str) -> None:
    asked = [item for item in told if item.question.language == language and item.question.kind == "unanswerable"]
    assert sum(item.refused for item in asked) / len(asked) >= UNANSWERABLE_REFUSED_MIN


def test_no_superseded_or_expired_page_is_ever_a_source(told: list[Told]) -> None:
    old = ("refund-policy.v1", "refund-policy.v2", "price-list.v2", "price-list.v4", "backup-policy.v1", "summer-promotion", "php74", "plain-ftp-end")
    assert [(item.question.id, path) for item in told for path in item.paths if any(name in path for name in old)] == []


def test_every_answer_cites_what_it_quotes(told: list[Told]) -> None:
    for item in told:
        if not item.refused:
            assert "[1]" in item.text, item.question.id
            assert item.paths, item.question.id


def _wrong_ones(asked: list[Told]) -> str:
    wrong: dict[str, list[str]] = defaultdict(list)
    for item in asked:
        if not _right(item):
            wrong["refused" if item.refused else "answered wrongly"].append(f"{item.question.id}: {item.text[:80]}")
    return json.dumps(wrong, ensure_ascii=False, indent=1)
