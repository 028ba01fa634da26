"""Two documents that give another value for the same thing are both shown, the newer one first; what only looks so is left alone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from ondol.application.assistant.contradictions import Contradiction, find_contradiction
from ondol.application.assistant.types import Cited
from ondol.application.knowledge.index import Hit
from ondol.application.knowledge.search import Evidence
from ondol.application.knowledge.store import Details, ReadableVersion
from ondol.core.ids import new_id
from ondol.infrastructure.serving.scripted import ScriptedModel
from tests.application.assistant.conftest import Desk

pytestmark = pytest.mark.anyio

INTRODUCED = {
    "en": "The documents do not agree here; the newer one comes first.",
    "ko": "문서마다 내용이 다릅니다. 더 새로운 문서의 내용을 먼저 보여 드립니다.",
}


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def passage(
    text: str,
    title: str,
    *,
    since: str | None = None,
    until: str | None = None,
    version: int = 1,
    document: uuid.UUID | None = None,
    headings: Sequence[str] = (),
) -> Evidence:
    valid_from, valid_until = day(since) if since else None, day(until) if until else None
    version_id = new_id()
    known = ReadableVersion(
        version_id, document or new_id(), version, "en", "text/markdown", valid_from, valid_until, "public", bytes(32), Details("k", "p", title)
    )
    return Evidence(Hit(version_id, 0, version_id, version_id, 0, 0, len(text), 1.0, (), 1.0), known, text, tuple(headings), None)


def found_between(first: Evidence, second: Evidence) -> Contradiction | None:
    return find_contradiction([Cited(first.text, 0, 0, len(first.text))], [first, second])


DISAGREE = [
    ("A refund is paid within 5 business days.", "Refund policy", "Refunds are processed within 7 business days.", "Refund FAQ"),
    ("The Standard plan includes 10 GB of disk.", "Plans", "The Standard plan includes 20 GB of disk.", "Plan overview"),
    (
        "The help line answers from 09:00 to 18:00 on weekdays.",
        "Help line",
        "The help line answers from 10:00 to 18:00 on weekdays.",
        "Opening hours",
    ),
    ("The new prices apply from 1 March 2026.", "Prices", "The new prices apply from 1 April 2026.", "Price announcement"),
    ("Domain transfer costs 12,000 won.", "Domain transfer", "Domain transfer costs 15,000 won.", "Domain transfer guide"),
    ("환불은 영업일 기준 5일 안에 처리됩니다.", "환불 정책", "환불은 영업일 기준 7일 이내에 지급됩니다.", "환불 안내"),
    ("기본 요금제의 디스크는 10GB입니다.", "요금제", "기본 요금제의 디스크는 20GB입니다.", "요금제 안내"),
    ("도메인 이전 수수료는 1만 2천 원입니다.", "도메인 이전", "도메인 이전 수수료는 15,000원입니다.", "도메인 이전 안내"),
    ("고객센터는 평일 09:00부터 18:00까지 운영합니다.", "고객센터", "고객센터는 평일 10:00부터 18:00까지 운영합니다.", "고객센터 안내"),
    ("백업은 30일 동안 보관됩니다.", "백업 정책", "백업은 14일 동안 보관됩니다.", "백업 안내"),
]
AGREE = [
    # the same value in other words
    ("A refund is paid within 5 business days.", "Refund policy", "Refunds are processed within five business days.", "Refund FAQ"),
    ("도메인 이전 수수료는 1만 2천 원입니다.", "도메인 이전", "도메인 이전 수수료는 12,000원입니다.", "도메인 이전 안내"),
    # another thing
    ("The Standard plan includes 10 GB of disk.", "Plans", "The Business plan includes 50 GB of disk.", "Plans for companies"),
    ("The disk has 10 GB.", "Standard plan", "The disk has 50 GB.", "Business plan"),
    ("기본 요금제의 디스크는 10GB입니다.", "요금제", "고급 요금제의 디스크는 50GB입니다.", "요금제 안내"),
    ("디스크는 10GB입니다.", "기본 요금제", "디스크는 50GB입니다.", "고급 요금제"),
    ("환불은 5일 안에 처리됩니다.", "환불 정책", "교환은 7일 안에 처리됩니다.", "교환 정책"),
    # a narrower case
    ("A refund is paid within 5 business days.", "Refund policy", "A refund by bank transfer is paid within 9 business days.", "Refund FAQ"),
    ("A refund is paid within 5 days.", "Refund policy", "A refund is paid within 30 days.", "Refund of domains"),
    ("환불은 5일 안에 처리됩니다.", "환불 정책", "해외 카드의 환불은 14일 안에 처리됩니다.", "환불 안내"),
    # bounds on two sides, a denial
    ("A password has at least 8 characters.", "Passwords", "A password has at most 64 characters.", "Password rules"),
    ("The trial lasts 30 days.", "Trial", "The trial does not last 90 days.", "Trial FAQ"),
    # more than one figure differs, or other kinds of figures
    ("The fee is 10 won for 5 days.", "Fees", "The fee is 20 won for 9 days.", "Fee guide"),
    ("The fee is 10 won.", "Fees", "The fee is 3 percent.", "Fee guide"),
    ("Step 1 takes 5 minutes.", "Setup", "Step 2 takes 9 minutes.", "Setup guide"),
    # other names and identifiers
    ("The server `web-1` has 4 GB of memory.", "Servers", "The server `web-2` has 8 GB of memory.", "Servers"),
    ("Version 1.2 was released on 3 May 2025.", "Releases", "Version 1.3 was released on 9 June 2025.", "Releases"),
    # rows of tables
    ("| Standard disk space | 10 GB |", "Plans", "| Standard disk space | 20 GB |", "Plans"),
]


@pytest.mark.parametrize(("text", "title", "other", "other_title"), DISAGREE)
def test_another_value_for_the_same_thing_is_found(text: str, title: str, other: str, other_title: str) -> None:
    found = found_between(passage(text, title, since="2026-01-01"), passage(f"An aside. {other}", other_title, since="2025-01-01"))
    assert found is not None
    assert (found.newer.text, found.older.text) == (text, other)


@pytest.mark.parametrize(("text", "title", "other", "other_title"), AGREE)
def test_what_only_looks_so_is_left_alone(text: str, title: str, other: str, other_title: str) -> None:
    assert found_between(passage(text, title), passage(other, other_title)) is None


FIVE, SEVEN = "A refund is paid within 5 business days.", "Refunds are processed within 7 business days."


@pytest.mark.parametrize(
    ("mine", "theirs", "leads"),
    [
        ({"since": "2026-01-01"}, {"since": "2025-01-01"}, FIVE),
        ({"since": "2025-01-01"}, {"since": "2026-01-01"}, SEVEN),
        ({}, {"since": "2025-01-01"}, SEVEN),
        ({"since": "2025-01-01", "version": 3}, {"since": "2025-01-01", "version": 2}, FIVE),
        ({"version": 1}, {"version": 1}, SEVEN),
    ],
)
def test_the_newer_leads(mine: dict[str, str], theirs: dict[str, str], leads: str) -> None:
    found = found_between(passage(FIVE, "Refund policy", **mine), passage(SEVEN, "Refund FAQ", **theirs))  # type: ignore[arg-type]
    assert found is not None
    assert found.newer.text == leads


def test_what_was_never_valid_together_does_not_contradict() -> None:
    assert found_between(passage(FIVE, "Refund policy", since="2026-01-01"), passage(SEVEN, "Refund FAQ", until="2026-01-01")) is None
    assert found_between(passage(FIVE, "Refund policy", since="2026-01-01"), passage(SEVEN, "Refund FAQ", until="2026-01-02")) is not None


def test_one_document_does_not_contradict_itself() -> None:
    document = new_id()
    assert found_between(passage(FIVE, "Refund policy", document=document), passage(SEVEN, "Refund policy", document=document)) is None


async def disagreeing(desk: Desk) -> None:
    desk.house.write("faq.md", "---\nvalid_from: 2026-10-01\nversion: 4\n---\n# Refund FAQ\n\nRefunds are processed within 7 business days.\n")
    desk.house.write("faq-ko.md", "---\nvalid_from: 2026-10-01\n---\n# 환불 안내\n\n환불은 영업일 기준 7일 안에 처리됩니다.\n")
    await desk.house.ingest()


async def test_an_answer_shows_both_and_says_so(desk: Desk) -> None:
    await disagreeing(desk)
    told = await desk.ask("How long does a refund take?")
    intro, newer, older, *_ = [line for line in told.text.splitlines() if line]
    assert intro == INTRODUCED["en"]
    assert newer == "- Refunds are processed within 7 business days. [1] (“Refund FAQ”, version 4, valid from 2026-10-01)"
    assert older == "- A refund is paid within 5 business days. [2] (“Refund policy”)"
    assert [item["n"] for item in told.finish.extension["contradictions"]] == [1, 2]
    verification = told.finish.extension["verification"]
    assert [told.text[one["start"] : one["end"]] for one in verification["checks"]][:2] == [newer[2:].split(" (")[0], older[2:].split(" (")[0]]
    for annotation in told.finish.annotations:
        citation = annotation["url_citation"]
        assert told.text[citation["start_index"] : citation["end_index"]] in ("[1]", "[2]")


async def test_so_it_does_in_korean(desk: Desk) -> None:
    await disagreeing(desk)
    told = await desk.ask("환불은 며칠 안에 처리되나요?")
    intro, newer, older, *_ = [line for line in told.text.splitlines() if line]
    assert intro == INTRODUCED["ko"]
    assert newer == "- 환불은 영업일 기준 7일 안에 처리됩니다. [1] (「환불 안내」, 2026-10-01부터)"
    assert older == "- 환불은 영업일 기준 5일 안에 처리됩니다. [2] (「환불 정책」)"


async def test_so_does_a_model_that_read_only_one_of_them(desk: Desk, model: ScriptedModel) -> None:
    await disagreeing(desk)
    model.say(lambda body: _citing(body, "A refund is paid within 5 business days", "Refund policy"))
    told = await desk.ask("How long does a refund take?")
    first, intro, newer, older = [line for line in told.text.splitlines() if line]
    assert first.startswith("A refund is paid within 5 business days [")
    assert intro == INTRODUCED["en"]
    assert "7 business days" in newer
    assert "5 business days" in older
    assert sorted(told.titles) == ["Refund FAQ", "Refund policy"]
    assert all(one["verdict"] == "supported" for one in told.finish.extension["verification"]["checks"])


async def test_what_the_asker_may_not_read_contradicts_nothing(desk: Desk) -> None:
    desk.house.write(
        "closed.md", "---\nclass: restricted\nvalid_from: 2026-10-01\n---\n# Refund FAQ\n\nRefunds are processed within 7 business days.\n"
    )
    await desk.house.ingest()
    assert "contradictions" not in (await desk.ask("How long does a refund take?")).finish.extension
    assert "contradictions" in (await desk.ask("How long does a refund take?", who="security")).finish.extension


def _citing(body: Mapping[str, Any], sentence: str, title: str) -> str:
    """The sentence with the number under which a document of this title was given."""
    passages = body["messages"][-1]["content"]
    number = next(line.split("]")[0].strip("[") for line in passages.splitlines() if line.startswith("[") and title in line)
    return f"{sentence} [{number}]."
